// SPDX-License-Identifier: Apache-2.0
/*
 * ticks FILE PER_SECOND: calls access("/tick/N") for N = 0, 1, 2, ... until it is killed, in groups
 * every 10 ms. FILE becomes an array of 64-bit words: word N is the time, in nanoseconds of
 * CLOCK_REALTIME, at which call N had returned; 0 as long as it has not.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST (1 << 24)
#define PERIOD 10000000

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

int main(int argc, char **argv)
{
	struct timespec pause = {0, PERIOD};
	int file, group;
	uint64_t *times;
	char path[32];

	if (argc != 3)
		return 64;
	group = atoi(argv[2]) / (1000000000 / PERIOD);
	file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || ftruncate(file, MOST * sizeof(uint64_t)))
		return 71;
	times = mmap(NULL, MOST * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (times == MAP_FAILED)
		return 71;
	for (long n = 0; n < MOST; n++) {
		snprintf(path, sizeof(path), "/tick/%ld", n);
		syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
		times[n] = now();
		if (n % group == group - 1)
			nanosleep(&pause, NULL);
	}
	return 0;
}
