// SPDX-License-Identifier: Apache-2.0
/*
 * interrupted FIFO FLAGS: opens FIFO for reading while nobody writes to it, and gets a signal
 * meanwhile, whose handler has these flags of sigaction (SA_RESTART or none). With SA_RESTART a
 * writer comes then. Prints the descriptor, or minus errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int handled[2];

static void handle(int number)
{
	char byte = number;

	if (write(handled[1], &byte, 1) != 1)
		_exit(71);
}

/* Until the process sleeps in openat. */
static void wait_until_blocked(pid_t pid)
{
	char name[64], text[16] = "";

	snprintf(name, sizeof(name), "/proc/%d/syscall", pid);
	while (atoi(text) != SYS_openat) {
		int fd = open(name, O_RDONLY);

		usleep(1000);
		if (read(fd, text, sizeof(text) - 1) < 0)
			_exit(71);
		close(fd);
	}
}

static void disturb(pid_t pid, const char *fifo, int restarts)
{
	char byte;

	wait_until_blocked(pid);
	kill(pid, SIGUSR1);
	if (read(handled[0], &byte, 1) != 1)
		_exit(71);
	if (restarts) {
		wait_until_blocked(pid);
		open(fifo, O_WRONLY);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handle};
	pid_t self = getpid();
	int fd;

	if (argc != 3 || pipe(handled))
		return 64;
	action.sa_flags = strtol(argv[2], NULL, 0);
	sigaction(SIGUSR1, &action, NULL);
	if (fork() == 0)
		disturb(self, argv[1], action.sa_flags & SA_RESTART);
	fd = open(argv[1], O_RDONLY);
	printf("%d\n", fd < 0 ? -errno : fd);
	return 0;
}
