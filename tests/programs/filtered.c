// SPDX-License-Identifier: Apache-2.0
/*
 * filtered: installs a seccomp filter, waits, and makes calls that it answers and one it lets by.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IS(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1)
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)

/* Written to, so that the pages are there even if no call ever reads them. */
static char denied[] = "/denied", trapped[] = "/trapped", emulated[] = "/emulated";
static char missing[] = "/missing", hostname[] = "/etc/hostname", executed[] = "/executed";

static void ignore(int number)
{
	(void)number;
}

int main(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		IS(mkdirat), ANSWER(SECCOMP_RET_ERRNO | EPERM),
		IS(readlinkat), ANSWER(SECCOMP_RET_TRAP),
		IS(faccessat), ANSWER(SECCOMP_RET_ERRNO | 0),
		IS(execve), ANSWER(SECCOMP_RET_ERRNO | 0),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
	char buffer[16];

	denied[0] = trapped[0] = emulated[0] = missing[0] = hostname[0] = executed[0] = '/';
	signal(SIGSYS, ignore);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	for (int i = 0; i < 2; i++) {
		syscall(SYS_openat, AT_FDCWD, hostname, O_RDONLY);
		syscall(SYS_mkdirat, AT_FDCWD, denied, 0755);
		syscall(SYS_execve, executed, NULL, NULL);
		sleep(1); /* by now entries are watched */
	}
	syscall(SYS_openat, AT_FDCWD, missing, O_RDONLY);
	syscall(SYS_mkdirat, AT_FDCWD, denied, 0755);
	syscall(SYS_readlinkat, AT_FDCWD, trapped, buffer, sizeof(buffer));
	syscall(SYS_faccessat, AT_FDCWD, emulated, R_OK);
	syscall(SYS_openat, AT_FDCWD, hostname, O_RDONLY);
	return 0;
}
