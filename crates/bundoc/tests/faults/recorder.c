/* Records what a process does to the files below one directory, and fails what it is told to fail.
 *
 * Loaded with LD_PRELOAD, but it interposes no function: some crates enter the kernel without libc, so it sets a
 * seccomp filter that traps the system calls that change files (SIGSYS), does them itself from one place that the
 * filter lets through, and writes down what happened. Shared writable mappings and io_uring would pass it by: both
 * end the process. x86-64 Linux.
 *
 *   RECORDER_ROOT    the directory (absolute, no links in it)
 *   RECORDER_LOG     where the log goes; without it nothing is written down
 *   RECORDER_FAIL_AT fail the n-th call that changes something (from 1)
 *   RECORDER_FAIL_N  and as many in a row as this (1)
 *   RECORDER_FAIL    eio, enospc or short (a write that does half; any other call goes through)
 *   RECORDER_COUNT   where the number of such calls is written at the end
 *
 * Two paths that do not exist are taken for messages: opening MARK followed by a text puts it into the log; opening
 * DISK followed by `full` or `free` makes statfs report no free blocks, or the truth.
 *
 * The log is a list of records of little-endian numbers: bytes that follow (u32), operation (u8), file (u64, its
 * inode), offset (u64), length of the path (u32), the path, and the data that is left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define MARK "/bundoc-mark/"
#define DISK "/bundoc-disk/"
#define PATH_BYTES 4096
#define FILES_MAX 65536

enum operation { WRITE = 1, SIZE, CREATE, DIRECTORY, RENAME, UNLINK, SYNC_BEGIN, SYNC_END, NOTE, LINK };

/* The one place from which system calls are let through: the filter knows its address. */
long recorder_call(long number, long a, long b, long c, long d, long e, long f);
extern char recorder_call_end[];
__asm__(".text\n"
        ".globl recorder_call\n"
        ".type recorder_call,@function\n"
        "recorder_call:\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rdi\n"
        "  mov %rdx, %rsi\n"
        "  mov %rcx, %rdx\n"
        "  mov %r8, %r10\n"
        "  mov %r9, %r8\n"
        "  mov 8(%rsp), %r9\n"
        "  syscall\n"
        ".globl recorder_call_end\n"
        "recorder_call_end:\n"
        "  ret\n");

static char root[PATH_BYTES];
static size_t root_length;
static dev_t root_device;
static int log_fd = -1;
static long fail_at, fail_count = 1, calls;
static int fail_error; /* 0 with fail_at: a short write */
static int disk_full;
static char count_path[PATH_BYTES];
/* One call at a time: the log has them in the order in which they happened. Syncs run outside of it. */
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
/* Inodes below the root; a set with open addressing. */
static uint64_t files[FILES_MAX];

static long call(long number, long a, long b, long c, long d) { return recorder_call(number, a, b, c, d, 0, 0); }

static void refuse(const char *what) {
    call(SYS_write, 2, (long)what, strlen(what), 0);
    call(SYS_exit_group, 97, 0, 0, 0);
}

static int known(uint64_t inode, int add) {
    for (uint64_t at = inode * 0x9E3779B97F4A7C15u >> 48;; at = (at + 1) % FILES_MAX) {
        if (files[at] == inode) return 1;
        if (files[at] == 0) {
            if (add) files[at] = inode;
            return 0;
        }
    }
}

static void put_all(const void *bytes, size_t length) {
    while (length > 0) {
        long done = call(SYS_write, log_fd, (long)bytes, length, 0);
        if (done <= 0) refuse("recorder: the log cannot be written\n");
        bytes = (const char *)bytes + done;
        length -= done;
    }
}

/* Data comes in up to two parts: a path that is the second one of a rename, or buffers. */
static void put(int operation, uint64_t file, uint64_t offset, const char *path, const struct iovec *data, int parts,
                size_t data_bytes) {
    if (log_fd < 0) return;
    uint8_t head[25];
    uint32_t path_bytes = path ? strlen(path) : 0;
    uint32_t bytes = 21 + path_bytes + data_bytes;
    memcpy(head, &bytes, 4);
    head[4] = operation;
    memcpy(head + 5, &file, 8);
    memcpy(head + 13, &offset, 8);
    memcpy(head + 21, &path_bytes, 4);
    put_all(head, sizeof head);
    put_all(path ? path : "", path_bytes);
    for (int part = 0; part < parts && data_bytes > 0; part++) {
        size_t take = data[part].iov_len < data_bytes ? data[part].iov_len : data_bytes;
        put_all(data[part].iov_base, take);
        data_bytes -= take;
    }
}

static void put_path(int operation, uint64_t file, const char *path) { put(operation, file, 0, path, NULL, 0, 0); }

/* The path in full, and whether it is below the root. */
static int below(long directory, const char *path, char *full) {
    full[0] = 0;
    if (path[0] != '/') {
        char link[64];
        snprintf(link, sizeof link, (int)directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", (int)directory);
        long length = call(SYS_readlink, (long)link, (long)full, PATH_BYTES - 2, 0);
        if (length < 0) return 0;
        full[length] = '/';
        full[length + 1] = 0;
    }
    if (strlen(full) + strlen(path) >= PATH_BYTES) refuse("recorder: a path is too long\n");
    strcat(full, path);
    if (strncmp(full, root, root_length) != 0 || (full[root_length] != '/' && full[root_length] != 0)) return 0;
    if (strstr(full, "/../") || strstr(full, "/./")) refuse("recorder: a path is not in its plain form\n");
    return 1;
}

/* The inode of an open file below the root, or 0. */
static uint64_t file_of(long fd) {
    struct stat found;
    if (call(SYS_fstat, fd, (long)&found, 0, 0) != 0 || found.st_dev != root_device) return 0;
    if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return 0;
    return known(found.st_ino, 0) ? found.st_ino : 0;
}

/* Counts a call; whether it has to fail. */
static int fails(void) {
    calls++;
    return fail_at > 0 && calls >= fail_at && calls < fail_at + fail_count;
}

static long do_open(long directory, const char *path, long flags, long mode) {
    char full[PATH_BYTES];
    if (strncmp(path, MARK, strlen(MARK)) == 0) {
        put_path(NOTE, 0, path + strlen(MARK));
        return -ENOENT;
    }
    if (strncmp(path, DISK, strlen(DISK)) == 0) {
        disk_full = strcmp(path + strlen(DISK), "full") == 0;
        return -ENOENT;
    }
    if (!below(directory, path, full)) return call(SYS_openat, directory, (long)path, flags, mode);
    if (fails() && fail_error) return -fail_error;
    int there = call(SYS_faccessat, AT_FDCWD, (long)full, F_OK, 0) == 0;
    long fd = call(SYS_openat, directory, (long)path, flags, mode);
    struct stat found;
    if (fd < 0 || call(SYS_fstat, fd, (long)&found, 0, 0) != 0) return fd;
    known(found.st_ino, 1);
    if (!there) put_path(CREATE, found.st_ino, full);
    if (there && (flags & O_TRUNC)) put(SIZE, found.st_ino, 0, NULL, NULL, 0, 0);
    return fd;
}

static long do_write(long number, long fd, const struct iovec *parts, int count, long offset, long flags) {
    uint64_t file = file_of(fd);
    int positioned = number == SYS_pwrite64 || number == SYS_pwritev || number == SYS_pwritev2;
    struct iovec half = parts[0];
    if (file && fails()) {
        if (fail_error) return -fail_error;
        half.iov_len = half.iov_len / 2 + (half.iov_len == 1);
        parts = &half;
        count = 1;
    }
    long done = positioned ? recorder_call(SYS_pwritev2, fd, (long)parts, count, offset, 0, flags)
                           : call(SYS_writev, fd, (long)parts, count, 0);
    if (!file || done <= 0) return done;
    long at = positioned ? offset : call(SYS_lseek, fd, 0, SEEK_CUR, 0) - done;
    put(WRITE, file, at, NULL, parts, count, done);
    return done;
}

static long do_size(long fd, long length, long number, long mode, long start) {
    uint64_t file = file_of(fd);
    if (file && fails() && fail_error) return -fail_error;
    if (number == SYS_fallocate && file && mode != 0) refuse("recorder: fallocate with a mode\n");
    long result = number == SYS_ftruncate ? call(SYS_ftruncate, fd, length, 0, 0)
                                          : call(SYS_fallocate, fd, mode, start, length);
    struct stat found;
    if (result == 0 && file && call(SYS_fstat, fd, (long)&found, 0, 0) == 0)
        put(SIZE, file, found.st_size, NULL, NULL, 0, 0);
    return result;
}

/* What was written before a sync began is on the disk when it ends; what was written meanwhile may not be. */
static long do_sync(long number, long fd, long b, long c, long d) {
    pthread_mutex_lock(&one);
    uint64_t file = file_of(fd);
    int failing = file && fails() && fail_error;
    static uint64_t syncs;
    uint64_t sync = ++syncs;
    if (file && number != SYS_sync_file_range) put(SYNC_BEGIN, file, sync, NULL, NULL, 0, 0);
    pthread_mutex_unlock(&one);
    long result = failing ? -fail_error : call(number, fd, b, c, d);
    pthread_mutex_lock(&one);
    if (file && result == 0 && number != SYS_sync_file_range) put(SYNC_END, file, sync, NULL, NULL, 0, 0);
    pthread_mutex_unlock(&one);
    return result;
}

static long do_two_paths(long number, long from_directory, const char *from, long to_directory, const char *to,
                         long flags) {
    char full_from[PATH_BYTES], full_to[PATH_BYTES];
    int from_below = below(from_directory, from, full_from), to_below = below(to_directory, to, full_to);
    if (from_below != to_below) refuse("recorder: a file crosses the directory's border\n");
    if (from_below && fails() && fail_error) return -fail_error;
    long result = recorder_call(number, from_directory, (long)from, to_directory, (long)to, flags, 0);
    if (result == 0 && from_below) {
        struct iovec second = {full_to, strlen(full_to)};
        put(number == SYS_linkat ? LINK : RENAME, 0, 0, full_from, &second, 1, second.iov_len);
    }
    return result;
}

static long do_path(long number, long directory, const char *path, long argument) {
    char full[PATH_BYTES];
    int tracked = below(directory, path, full);
    if (tracked && fails() && fail_error) return -fail_error;
    long result = call(number, directory, (long)path, argument, 0);
    if (result != 0 || !tracked) return result;
    if (number == SYS_unlinkat) {
        put_path(UNLINK, 0, full);
        return 0;
    }
    struct stat found;
    if (call(SYS_newfstatat, AT_FDCWD, (long)full, (long)&found, 0) == 0) {
        known(found.st_ino, 1);
        put_path(DIRECTORY, found.st_ino, full);
    }
    return 0;
}

static long locked(long number, const long *a) {
    switch (number) {
    case SYS_open: return do_open(AT_FDCWD, (const char *)a[0], a[1], a[2]);
    case SYS_creat: return do_open(AT_FDCWD, (const char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1]);
    case SYS_openat: return do_open(a[0], (const char *)a[1], a[2], a[3]);
    case SYS_write:
    case SYS_pwrite64: {
        struct iovec part = {(void *)a[1], a[2]};
        return do_write(number, a[0], &part, 1, a[3], 0);
    }
    case SYS_writev:
    case SYS_pwritev: return do_write(number, a[0], (const struct iovec *)a[1], a[2], a[3], 0);
    case SYS_pwritev2: return do_write(number, a[0], (const struct iovec *)a[1], a[2], a[3], a[5]);
    case SYS_ftruncate: return do_size(a[0], a[1], number, 0, 0);
    case SYS_fallocate: return do_size(a[0], a[3], number, a[1], a[2]);
    case SYS_rename: return do_two_paths(SYS_renameat2, AT_FDCWD, (const char *)a[0], AT_FDCWD, (const char *)a[1], 0);
    case SYS_renameat: return do_two_paths(SYS_renameat2, a[0], (const char *)a[1], a[2], (const char *)a[3], 0);
    case SYS_renameat2: return do_two_paths(number, a[0], (const char *)a[1], a[2], (const char *)a[3], a[4]);
    case SYS_link: return do_two_paths(SYS_linkat, AT_FDCWD, (const char *)a[0], AT_FDCWD, (const char *)a[1], 0);
    case SYS_linkat: return do_two_paths(number, a[0], (const char *)a[1], a[2], (const char *)a[3], a[4]);
    case SYS_unlink: return do_path(SYS_unlinkat, AT_FDCWD, (const char *)a[0], 0);
    case SYS_rmdir: return do_path(SYS_unlinkat, AT_FDCWD, (const char *)a[0], AT_REMOVEDIR);
    case SYS_unlinkat: return do_path(number, a[0], (const char *)a[1], a[2]);
    case SYS_mkdir: return do_path(SYS_mkdirat, AT_FDCWD, (const char *)a[0], a[1]);
    case SYS_mkdirat: return do_path(number, a[0], (const char *)a[1], a[2]);
    case SYS_statfs:
    case SYS_fstatfs: {
        long result = call(number, a[0], a[1], 0, 0);
        if (result == 0 && disk_full) ((struct statfs *)a[1])->f_bavail = 0;
        return result;
    }
    case SYS_copy_file_range: return -ENOSYS; /* callers fall back to reading and writing */
    case SYS_sendfile: return -EINVAL;        /* so do these */
    case SYS_splice: return -EINVAL;
    case SYS_mmap:
        if (file_of(a[4])) refuse("recorder: a file is mapped for writing\n");
        return recorder_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    case SYS_io_uring_setup: return -ENOSYS;
    default: refuse("recorder: a call that it does not know (truncate, symlink, openat2)\n"); return -ENOSYS;
    }
}

static void trapped(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long a[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                 registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
    int kept = errno;
    long number = info->si_syscall;
    if (number == SYS_fsync || number == SYS_fdatasync || number == SYS_sync_file_range) {
        registers[REG_RAX] = do_sync(number, a[0], a[1], a[2], a[3]);
    } else {
        pthread_mutex_lock(&one);
        registers[REG_RAX] = locked(number, a);
        pthread_mutex_unlock(&one);
    }
    errno = kept;
}

static void install_filter(void) {
    static const int trap[] = {
        SYS_open,     SYS_creat,      SYS_openat,          SYS_openat2,  SYS_write,          SYS_pwrite64,
        SYS_writev,   SYS_pwritev,    SYS_pwritev2,        SYS_truncate, SYS_ftruncate,      SYS_fallocate,
        SYS_rename,   SYS_renameat,   SYS_renameat2,       SYS_link,     SYS_linkat,         SYS_symlink,
        SYS_symlinkat, SYS_unlink,    SYS_unlinkat,        SYS_rmdir,    SYS_mkdir,          SYS_mkdirat,
        SYS_fsync,    SYS_fdatasync,  SYS_sync_file_range, SYS_statfs,   SYS_copy_file_range, SYS_sendfile,
        SYS_splice,   SYS_fstatfs,    SYS_io_uring_setup,
    };
    enum { TRAPS = sizeof trap / sizeof *trap };
    uint64_t address = (uint64_t)recorder_call_end;
    struct sock_filter code[TRAPS + 20];
    int at = 0;
#define PART(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
    /* Calls from the one place go through. */
    code[at++] = (struct sock_filter)PART(instruction_pointer);
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)address, 0, 3);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(address >> 32), 0, 1);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[at++] = (struct sock_filter)PART(nr);
    for (int one_of = 0; one_of < TRAPS; one_of++)
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, trap[one_of], TRAPS - one_of + 6, 0);
    /* Of mappings only those that are shared and writable. */
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5);
    code[at++] = (struct sock_filter)PART(args[2]);
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 3);
    code[at++] = (struct sock_filter)PART(args[3]);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_SHARED | MAP_ANONYMOUS);
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED, 1, 0);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {at, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        refuse("recorder: the kernel takes no seccomp filter\n");
}

static void read_faults(void) {
    const char *at = getenv("RECORDER_FAIL_AT"), *count = getenv("RECORDER_FAIL_N"), *kind = getenv("RECORDER_FAIL");
    if (!at || !kind) return;
    fail_at = atol(at);
    if (count) fail_count = atol(count);
    fail_error = strcmp(kind, "eio") == 0 ? EIO : strcmp(kind, "enospc") == 0 ? ENOSPC : 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("RECORDER_ROOT"), *log = getenv("RECORDER_LOG"), *count = getenv("RECORDER_COUNT");
    struct stat found;
    if (!directory || strlen(directory) >= PATH_BYTES || stat(directory, &found) != 0) return;
    strcpy(root, directory);
    root_length = strlen(root);
    root_device = found.st_dev;
    known(found.st_ino, 1);
    if (log) log_fd = open(log, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (count && strlen(count) < PATH_BYTES) strcpy(count_path, count);
    read_faults();
    put_path(DIRECTORY, found.st_ino, root);
    struct sigaction action = {0};
    action.sa_sigaction = trapped;
    /* Not interrupted by another trap: the handler makes none. */
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGSYS, &action, NULL);
    install_filter();
}

__attribute__((destructor)) static void end(void) {
    if (count_path[0] == 0) return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", calls);
    long fd = call(SYS_openat, AT_FDCWD, (long)count_path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd >= 0) call(SYS_write, fd, (long)text, length, 0);
}
