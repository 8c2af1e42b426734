# SPDX-License-Identifier: Apache-2.0
"""The recorder: from a system call in the kernel to a segment on disk.

An event's way, by module: ``program`` (with ``loader``, ``btf``, ``layout`` and ``syscalls``)
puts bpf/snoop.c into the kernel; ``ring`` reads what it writes; ``events`` makes the columns of
the capture format of it; ``storage`` writes them; ``recorder`` holds these together.

``run`` and ``command`` record one command; ``service`` records what ``targets`` finds in the
cgroup tree (``pod``, ``runtimes``), named by ``containers`` (``mounts``, ``identity``,
``kubernetes``), after ``confinement``. ``check`` says whether it would work.
"""
