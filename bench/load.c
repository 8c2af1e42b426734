/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load of known calls: load KIND CALLS THREADS [DIRECTORY [RATE]]
 * Every thread makes CALLS calls, with RATE so many a second, some each millisecond. Prints the time that one call took in nanoseconds of the
 * monotonic clock: with several threads on one CPU, the time they had together over all calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MANY 50000

static const struct timespec millisecond = {.tv_nsec = 1000000};
static const char *kind;
static long calls, rate;
static char (*names)[32];

static void one(long i)
{
	struct stat status;
	int fd;

	if (!strcmp(kind, "many"))
		stat(names[i % MANY], &status);
	else if (!strcmp(kind, "missing"))
		stat("/etc/no-such-file", &status);
	else if (!strcmp(kind, "open")) {
		fd = open("/etc/hostname", O_RDONLY);
		close(fd);
	} else if (!strcmp(kind, "relative"))
		stat("leaf", &status);
	else if (!strcmp(kind, "paced")) {
		nanosleep(&millisecond, NULL);
		stat("/etc/hostname", &status);
	} else if (!strcmp(kind, "other"))
		syscall(SYS_getppid);
	else
		stat("/etc/hostname", &status);
}

/* Wait for the millisecond in which call i is due. */
static void await(const struct timespec *from, long i)
{
	long due = i * 1000 / rate;
	struct timespec until = {from->tv_sec + due / 1000,
				 from->tv_nsec + due % 1000 * 1000000};

	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* A seccomp filter as container runtimes give one: it denies some calls, and lets the others by. */
static int deny_mount(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *run(void *unused)
{
	struct timespec from;
	long due = -1;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (long i = 0; i < calls; i++) {
		if (rate && i * 1000 / rate != due) {
			await(&from, i);
			due = i * 1000 / rate;
		}
		one(i);
	}
	return unused;
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	pthread_t thread[64];
	int threads;

	if (argc < 4)
		return 2;
	kind = argv[1];
	calls = atol(argv[2]);
	threads = atoi(argv[3]);
	if (argc > 4 && chdir(argv[4]))
		return 1;
	if (!strcmp(kind, "filtered") && deny_mount())
		return 1;
	if (argc > 5)
		rate = atol(argv[5]);
	names = calloc(MANY, sizeof(*names));
	for (int i = 0; i < MANY; i++)
		snprintf(names[i], sizeof(*names), "/usr/lib/many/file-%05d", i);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.1f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) /
			  (calls * threads));
	return 0;
}
