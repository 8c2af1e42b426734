// SPDX-License-Identifier: Apache-2.0
/*
 * coldpages FILE COUNT: COUNT calls of newfstatat whose path strings lie on pages of FILE that
 * are not mapped when the call begins: the kernel faults each in while it copies the path.
 *
 * The strings lie 256 KiB apart, for a fault maps the pages around it as well (64 KiB of them by
 * default, /sys/kernel/debug/fault_around_bytes). That a page is not mapped is looked up in
 * /proc/self/pagemap just before the call; the program ends with code 70 if it is.
 * String n is /cold/page/n. Prints how many of the pages were not even in the page cache.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPACING (256L << 10)
#define PRESENT (1ULL << 63)

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(71);
}

int main(int argc, char **argv)
{
	long count, page = sysconf(_SC_PAGESIZE), uncached = 0;
	int fd, pagemap;
	char *memory;

	if (argc != 3)
		return 64;
	count = atol(argv[2]);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	must(pagemap >= 0, "/proc/self/pagemap");
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0, argv[1]);
	for (long i = 0; i < count; i++) {
		char text[64];
		int length = snprintf(text, sizeof(text), "/cold/page/%ld", i) + 1;

		must(pwrite(fd, text, length, i * SPACING) == length, "pwrite");
	}
	must(!ftruncate(fd, count * SPACING), "ftruncate");
	must(!fsync(fd), "fsync");
	must(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
	memory = mmap(NULL, count * SPACING, PROT_READ, MAP_PRIVATE, fd, 0);
	must(memory != MAP_FAILED, "mmap");
	must(!madvise(memory, count * SPACING, MADV_RANDOM), "madvise");

	for (long i = 0; i < count; i++) {
		char *path = memory + i * SPACING;
		unsigned char cached;
		uint64_t entry;
		struct stat stat;

		must(!mincore(path, page, &cached), "mincore");
		uncached += !(cached & 1);
		must(pread(pagemap, &entry, 8, (uintptr_t)path / page * 8) == 8, "pagemap");
		if (entry & PRESENT) {
			fprintf(stderr, "page %ld is mapped already: this test tests nothing\n", i);
			return 70;
		}
		syscall(SYS_newfstatat, AT_FDCWD, path, &stat, 0);
		must(pread(pagemap, &entry, 8, (uintptr_t)path / page * 8) == 8, "pagemap");
		if (!(entry & PRESENT)) {
			fprintf(stderr, "page %ld is not mapped after the call\n", i);
			return 70;
		}
	}
	printf("%ld\n", uncached);
	return 0;
}
