//! Stacks of deployed functions: whichever way the code came, they have the lines that their author wrote.

use crate::client::PASSWORD;
use crate::commands::Shell;
use crate::server::{Data, Server};

const SOURCE: &str = r#"import { deep } from "./lib/deep.ts";

type Wish = { readonly name: string };

export default async (req: Request): Promise<Response> => {
  const wish: Wish = { name: new URL(req.url).pathname };
  console.error(new Error("written"));
  setTimeout(() => {
    throw new Error("uncaught");
  }, 0);
  await Bun.sleep(0);
  return deep(wish.name);
};
"#;
const DEEP: &str = r#"// Below.
export function deep(name: string): never {
  throw new TypeError(`no ${name}`, { cause: new Error("the cause") });
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_has_the_lines_of_the_sources() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let home = tempfile::tempdir().unwrap();
    let shell = Shell { home: home.path(), url: &server.url };
    let setup = ["setup", "--email", "ada@example.com", "--name", "Ada", "--password-stdin"];
    assert!(shell.fed(&setup, PASSWORD).status.success());
    shell.says(&["projects", "create", "shop"]);
    std::fs::create_dir_all(home.path().join("shop/src/lib")).unwrap();
    std::fs::write(home.path().join("shop/src/index.ts"), SOURCE).unwrap();
    std::fs::write(home.path().join("shop/src/lib/deep.ts"), DEEP).unwrap();
    // Bytecode is for large bundles.
    let large = format!("{SOURCE}(globalThis as any).filler = {:?};\n", "x".repeat(300 << 10));
    for (name, source, remote) in
        [("local", SOURCE, false), ("remote", SOURCE, true), ("large", &large, false)]
    {
        std::fs::write(home.path().join("shop/src/index.ts"), source).unwrap();
        let path = if remote { "shop" } else { "shop/src/index.ts" };
        let mut deploy = vec!["functions", "deploy", path, "--name", name];
        deploy.extend(remote.then_some("--remote"));
        shell.says(&deploy);
        assert!(!shell.fed(&["functions", "invoke", name], "").status.success());
        let logged = shell.says(&["functions", "logs", name]);
        let root = if remote { "src/" } else { "" };
        for place in ["index.ts:7:", "index.ts:9:", "index.ts:12:", "lib/deep.ts:3:"] {
            assert!(logged.contains(&format!("{root}{place}")), "{name}: {root}{place} in\n{logged}");
        }
        assert!(logged.contains("caused by Error: the cause"), "{logged}");
        assert!(!logged.contains("bundle.") && !logged.contains("/code/"), "{logged}");
    }
    let broken =
        "import { deep } from './lib/deep.ts';\n\ndeep('import');\nexport default () => new Response();\n";
    std::fs::write(home.path().join("shop/src/index.ts"), broken).unwrap();
    let refused = shell.fed(&["functions", "deploy", "shop"], "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("no import at src/lib/deep.ts:3:") && said.contains("src/index.ts:3:"), "{said}");
    server.stop().await;
}
