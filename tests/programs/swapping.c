// SPDX-License-Identifier: Apache-2.0
/*
 * swapping CALLS: looks up names below b/x/x/.../leaf, while another process moves leaf to q, renames
 * b to other and back, and moves leaf back. So leaf is never below other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH 60

/* Each process has a CPU, where there are two. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void swap(int top, int bottom, int q)
{
	pin(1);
	for (;;) {
		renameat(bottom, "leaf", q, "leaf");
		renameat(top, "b", top, "other");
		renameat(top, "other", top, "b");
		renameat(q, "leaf", bottom, "leaf");
		for (volatile int wait = rand() % 20000; wait; wait--)
			;
	}
}

int main(int argc, char **argv)
{
	int top = open(".", O_PATH), q, bottom;
	long calls = argc > 1 ? atol(argv[1]) : 1;
	char name[32];
	pid_t other;

	mkdir("q", 0700);
	q = open("q", O_PATH);
	mkdir("b", 0700);
	if (chdir("b"))
		return 1;
	for (int i = 0; i < DEPTH; i++)
		if (mkdir("x", 0700) || chdir("x"))
			return 1;
	bottom = open(".", O_PATH);
	if (mkdir("leaf", 0700) || chdir("leaf"))
		return 1;
	other = fork();
	if (!other)
		swap(top, bottom, q);
	pin(0);
	for (long i = 0; i < calls; i++) {
		snprintf(name, sizeof(name), "probe%ld", i);
		access(name, F_OK);
	}
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	return 0;
}
