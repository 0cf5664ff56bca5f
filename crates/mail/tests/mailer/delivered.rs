//! Delivering by SMTP.

use crate::support::{Log, Manner, SmtpServer, mail};
use mail::{Mail, MailConfig, MailError, Mailer};
use secrecy::SecretString;
use service_kit::ids::ProjectId;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::time::{Duration, Instant};

fn start(config: MailConfig) -> std::sync::Arc<Mailer> {
    Mailer::start(config, Path::new("/nonexistent")).unwrap()
}

#[tokio::test]
async fn a_message_reaches_its_recipient_and_no_other() {
    let mut server = SmtpServer::start(&[Manner::Accept]).await;
    let mailer = start(server.config());
    assert!(mailer.delivers());
    mailer.send(mail("ada@example.com")).unwrap();
    let message = server.message().await;
    for part in
        ["From: BunBase <noreply@example.org>", "To: ada@example.com", "Subject: Hello", "token=s3cret"]
    {
        assert!(message.replace("=3D", "=").contains(part), "{part} is missing in {message}");
    }
    let commands = server.commands();
    let recipients: Vec<_> = commands.iter().filter(|command| command.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<ada@example.com>"]);
    assert!(commands.iter().any(|command| command.starts_with("MAIL FROM:<noreply@example.org>")));
    assert!(mailer.captured().await.unwrap().is_empty());
    mailer.shutdown().await;
    assert!(matches!(mailer.send(mail("ada@example.com")), Err(MailError::ShuttingDown)));
}

#[tokio::test]
async fn what_was_put_off_is_tried_again_and_arrives_once() {
    let mut server = SmtpServer::start(&[Manner::Refuse("451 later"), Manner::Accept]).await;
    let mailer = start(server.config());
    mailer.send(mail("ada@example.com")).unwrap();
    assert!(server.message().await.contains("To: ada@example.com"));
    server.connections(2).await;
    mailer.shutdown().await;
    assert_eq!(server.further_connections(), 0);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let (log, _logging) = Log::start();
    let mut server = SmtpServer::start(&[Manner::Refuse("550 no <ada@example.com> here")]).await;
    let mailer = start(server.config());
    mailer.send(mail("ada@example.com")).unwrap();
    while !log.text().contains("mail was not delivered") {
        tokio::task::yield_now().await;
    }
    server.connections(1).await;
    mailer.shutdown().await;
    assert_eq!(server.further_connections(), 0);
}

#[tokio::test]
async fn a_mail_server_that_keeps_failing_is_tried_four_times_and_the_log_keeps_secrets() {
    let (log, _logging) = Log::start();
    let mut server = SmtpServer::start(&[Manner::Refuse("451 not <ada@example.com> now")]).await;
    let mailer = start(server.config());
    mailer.send(mail("ada@example.com")).unwrap();
    server.connections(4).await;
    while !log.text().contains("mail was not delivered") {
        tokio::task::yield_now().await;
    }
    mailer.shutdown().await;
    assert_eq!(server.further_connections(), 0);
    let log = log.text();
    assert!(log.contains("451") && log.contains("a…@example.com"), "{log}");
    assert!(!log.contains("ada@example.com") && !log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn a_mail_server_that_hangs_costs_the_timeout_and_never_whoever_sends() {
    let mut server = SmtpServer::start(&[Manner::Hang, Manner::Accept]).await;
    let config = MailConfig { timeout_ms: NonZeroU64::new(100).unwrap(), ..server.config() };
    let mailer = start(config);
    let before = Instant::now();
    mailer.send(mail("ada@example.com")).unwrap();
    assert!(before.elapsed() < Duration::from_millis(50));
    server.message().await;
    assert!(before.elapsed() >= Duration::from_millis(100));
    server.connections(2).await;
}

#[tokio::test]
async fn one_connection_that_hangs_does_not_hold_up_other_messages() {
    let mut server = SmtpServer::start(&[Manner::Hang, Manner::Accept]).await;
    let mailer = start(server.config());
    mailer.send(mail("ada@example.com")).unwrap();
    server.connections(1).await;
    mailer.send(mail("eve@example.com")).unwrap();
    assert!(server.message().await.contains("To: eve@example.com"));
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let server = SmtpServer::start(&[Manner::Hang]).await;
    let config = MailConfig { queue_max: NonZeroUsize::new(3).unwrap(), ..server.config() };
    let mailer = start(config);
    for _ in 0..3 {
        mailer.send(mail("ada@example.com")).unwrap();
    }
    assert!(matches!(mailer.send(mail("ada@example.com")), Err(MailError::QueueFull)));
}

#[tokio::test]
async fn nothing_is_told_to_a_server_that_does_not_offer_the_tls_that_is_asked_for() {
    let (log, _logging) = Log::start();
    let mut server = SmtpServer::start(&[Manner::Accept]).await;
    let url = format!("smtp+starttls://me:s3cret@127.0.0.1:{}", server.port);
    let mailer = start(MailConfig { smtp_url: Some(SecretString::from(url)), ..server.config() });
    mailer.send(mail("ada@example.com")).unwrap();
    while !log.text().contains("mail was not delivered") {
        tokio::task::yield_now().await;
    }
    let commands = server.commands();
    assert!(!commands.is_empty());
    assert!(commands.iter().all(|command| command.starts_with("EHLO") || command == "QUIT"), "{commands:?}");
    assert!(!log.text().contains("s3cret"));
}

#[tokio::test]
async fn bad_settings_stop_the_start() {
    for (url, from) in
        [("ftp://mail", "a@b.example"), ("smtp://mail", "nobody"), ("smtp://mail", "a@b\r\nBcc: c@d.e")]
    {
        let config = MailConfig {
            smtp_url: Some(SecretString::from(url)),
            from: from.into(),
            ..MailConfig::default()
        };
        assert!(Mailer::start(config, Path::new("/nonexistent")).is_err(), "{url} {from}");
    }
}

#[tokio::test]
async fn applications_send_so_much_from_their_own_domain_and_nothing_without_a_server() {
    let mut server = SmtpServer::start(&[Manner::Accept]).await;
    let limited = MailConfig { per_project_per_minute_max: NonZeroU32::new(1).unwrap(), ..server.config() };
    let mailer = start(limited);
    let (one, two) = (ProjectId::generate(), ProjectId::generate());
    let from = |from: &str| Mail { from: Some(from.to_owned()), ..mail("ada@example.com") };
    let foreign = mailer.send_for(&one, from("Shop <shop@example.net>"));
    assert!(matches!(foreign, Err(MailError::Sender)));
    mailer.send_for(&one, from("Shop <shop@example.org>")).unwrap();
    assert!(server.message().await.contains("From: Shop <shop@example.org>"));
    assert!(matches!(mailer.send_for(&one, mail("ada@example.com")), Err(MailError::TooMany(_))));
    mailer.send_for(&two, mail("ada@example.com")).unwrap();
    mailer.shutdown().await;

    let directory = tempfile::tempdir().unwrap();
    let captures = Mailer::start(MailConfig::default(), directory.path()).unwrap();
    assert!(matches!(captures.send_for(&one, mail("ada@example.com")), Err(MailError::NoServer)));
}
