// SPDX-License-Identifier: Apache-2.0
/*
 * calls COUNT THREADS PROCESSES PATH: each thread of each process calls access(PATH) COUNT times,
 * and nothing else that takes a path. Process n is pinned to the nth of the CPUs it may use, if
 * there are two or more processes. Prints how many calls were made in all.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long count;
static const char *path;

static void *call(void *unused)
{
	(void)unused;
	for (long i = 0; i < count; i++)
		syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
	return NULL;
}

static void pin(int number)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		exit(71);
	number %= CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || number--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			exit(71);
		return;
	}
}

static void run_threads(int threads)
{
	pthread_t thread[64];

	for (int i = 1; i < threads; i++)
		if (pthread_create(&thread[i], NULL, call, NULL))
			exit(71);
	call(NULL);
	for (int i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
	int threads, processes, status, failed = 0;

	if (argc != 5)
		return 64;
	count = atol(argv[1]);
	threads = atoi(argv[2]);
	processes = atoi(argv[3]);
	path = argv[4];
	for (int i = 1; i < processes; i++) {
		if (fork() == 0) {
			pin(i);
			run_threads(threads);
			_exit(0);
		}
	}
	if (processes > 1)
		pin(0);
	run_threads(threads);
	while (wait(&status) > 0)
		failed |= status;
	printf("%ld\n", count * threads * processes);
	return failed ? 71 : 0;
}
