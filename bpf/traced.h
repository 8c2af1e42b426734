/* SPDX-License-Identifier: GPL-2.0 */
/* Which cgroups are recorded. */

#define VERDICT_BITS 8 /* for the number of roots, up to 127, and whether the cgroup is traced */
#define MAX_LEVELS 64 /* of the tree, that are looked at from a cgroup up */

struct config {
	u32 roots; /* of the map of that name: so many count */
	u32 epoch; /* counts segments: each segment names each file anew */
	u64 execs; /* counts traced execs: each makes a task another program */
	u64 watched_from; /* CLOCK_MONOTONIC, ns: on_sys_enter is attached; 0: it is not */
	u32 seccomp; /* set here: a filter might have answered a traced call */
	u32 left_out; /* a bit for each root that is not traced, although below one that comes after it */
};

BPF_F_TABLE("array", u32, struct config, config, 1, BPF_F_MMAPABLE);
BPF_CGROUP_ARRAY(roots, MAX_ROOTS);
BPF_F_TABLE("hash", u64, u32, root_ids, MAX_ROOTS, 0); /* whether each is left out */

static inline struct config *get_config(void)
{
	u32 zero = 0;

	return config.lookup(&zero);
}

static inline u64 own_cgroup_id(u64 task)
{
#ifdef KNOWN_TYPES
	u64 cgroup = word(word(task, AT_task_struct__cgroups), AT_css_set__dfl_cgrp);

	return word(word(cgroup, AT_cgroup__kn), AT_kernfs_node__id);
#else
	return bpf_get_current_cgroup_id();
#endif
}

/* Is the task's cgroup a traced one, or below one? The first root that it is below decides. */
static inline bool is_below_traced(struct config *cfg)
{
	for (u32 i = 0; i < MAX_ROOTS; i++) {
		if (i >= cfg->roots)
			break;
		if (roots.check_current_task(i) == 1)
			return !(cfg->left_out >> i & 1);
	}
	return false;
}

/*
 * The task's cgroup if it is traced, else 0. A cgroup stays where it is in the tree, so a CPU keeps
 * what it found for the last one, in one word; ids that do not fit into that are not kept.
 */
static inline u64 traced_cgroup(struct config *cfg, u64 task)
{
	u64 id = own_cgroup_id(task), known = 0, now;
	/* Read first: when recording begins meanwhile, no earlier verdict is taken for one of after. */
	u32 count = *(volatile u32 *)&cfg->roots;
	struct control *ctl = get_control();

	if (!ctl)
		return 0;
	if (!(id >> (64 - VERDICT_BITS)))
		known = ctl->verdict;
	opaque(known);
	if (known >> 1 != (id << (VERDICT_BITS - 1) | count)) {
		known = is_below_traced(cfg);
		known |= id << VERDICT_BITS | count << 1;
		now = own_cgroup_id(task);
		if (now != id) /* it has been moved, and the verdict is about that */
			id = now;
		else if (!(id >> (64 - VERDICT_BITS)))
			ctl->verdict = known;
	}
	return known & 1 ? id : 0;
}

/* The task's struct cgroup * in the tree of cgroup v2. */
static inline u64 cgroup_of(u64 task)
{
	return load(load(task + AT_task_struct__cgroups) + AT_css_set__dfl_cgrp);
}

/* Is this cgroup, which need not be the task's, a traced one, or below one, and not left out? */
static inline bool lies_below_traced(u64 cgroup)
{
	bool is_traced = false;

	for (u32 i = 0; i < MAX_LEVELS; i++) {
		u64 id = load(load(cgroup + AT_cgroup__kn) + AT_kernfs_node__id), parent;
		u32 *left_out = root_ids.lookup(&id);

		if (left_out && *left_out)
			return false;
		if (left_out)
			is_traced = true;
		parent = load(cgroup + AT_cgroup__self__parent);
		if (!parent)
			break;
		cgroup = parent - AT_cgroup__self;
	}
	return is_traced;
}
