// SPDX-License-Identifier: Apache-2.0
/*
 * cloned CGROUP COMMAND [ARGUMENT]...: runs a command in another cgroup, started there, and a thread
 * in its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTO_CGROUP 0x200000000ULL /* CLONE_INTO_CGROUP of linux/sched.h */

static void *nothing(void *unused)
{
	return unused;
}

int main(int argc, char **argv)
{
	/* struct clone_args of linux/sched.h */
	uint64_t arguments[11] = {[0] = INTO_CGROUP, [4] = SIGCHLD};
	pthread_t thread;
	long pid;

	if (argc < 3)
		return 2;
	arguments[10] = open(argv[1], O_RDONLY | O_DIRECTORY);
	pid = syscall(SYS_clone3, arguments, sizeof(arguments));
	if (pid < 0)
		return 71;
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(71);
	}
	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		return 71;
	return waitpid(pid, NULL, 0) == pid ? 0 : 71;
}
