-- Every table is by run, and each big one has worker in its key, the column to
-- distribute by. No foreign keys: a distributed repo could not keep them.
-- 64-bit numbers without a sign (seed, system identifier) are stored as the
-- signed number of the same bits.

create table pgrpo.run (
	seed bigint not null,
	system bigint not null,
	started_at timestamptz not null,
	run int not null primary key,
	mix jsonb not null,
	config json not null,
	version text not null
);

-- shipped is the end, in the journal, of the last frame that the repo has; the
-- entries of earlier frames may still be on their way: see worker.shipped.
create table pgrpo.driver (
	shipped bigint not null default 0,
	claimed_at timestamptz not null default now(),
	started_at timestamptz,
	started_ns bigint,
	run int not null,
	driver int not null,
	pid int not null,
	shard int not null default 0,
	closed boolean not null default false,
	host text not null,
	primary key (run, driver)
);

-- shipped is the greatest seq that the ledger has; used is null until the
-- journal was closed.
create table pgrpo.worker (
	reserved bigint not null default 0,
	used bigint,
	shipped bigint not null default 0,
	run int not null,
	worker int not null,
	driver int not null,
	primary key (run, worker)
);

create table pgrpo.branch (
	system bigint not null,
	floor pg_lsn not null,
	fork pg_lsn not null,
	timeline bigint not null,
	run int not null,
	branch int not null,
	parent int not null,
	has_history boolean not null,
	unclear boolean not null,
	starts bigint[] not null,
	history text not null,
	reason text not null,
	primary key (run, branch)
);

create table pgrpo.connection (
	at bigint not null,
	system bigint not null,
	timeline bigint not null,
	start bigint not null,
	insert_lsn pg_lsn not null,
	floor pg_lsn not null,
	number bigint not null,
	run int not null,
	observer int not null,
	branch int not null,
	backend int not null,
	marker smallint not null,
	has_history boolean not null,
	history text not null,
	address text not null,
	version text not null,
	sync_commit text not null,
	sync_standbys text not null,
	primary key (run, observer, number)
);

-- One row is one block of up to 1024 entries of one worker: seq is the first
-- entry's, n their number. The bytes are kept out of line and as they are:
-- squeezing them would cost the writers' machine more than the disk is worth.
create table pgrpo.ledger (
	seq bigint not null,
	run int not null,
	worker int not null,
	driver int not null,
	n int not null,
	entries bytea not null,
	primary key (run, worker, seq),
	check (n > 0 and length(entries) = n * 44)
);
alter table pgrpo.ledger alter column entries set storage external;

-- lsn is the start of the commit record, end_lsn the byte after it.
create table pgrpo.commit (
	seq bigint not null,
	lsn pg_lsn not null,
	end_lsn pg_lsn not null,
	committed_at timestamptz not null,
	run int not null,
	worker int not null,
	xid xid not null,
	ops int not null,
	crc int not null,
	seen int not null,
	seen_crc int not null,
	branch smallint not null,
	slot smallint not null
);
create index commit_attempt on pgrpo.commit (run, worker, seq);
create index commit_lsn on pgrpo.commit using brin (lsn) with (pages_per_range = 32, autosummarize = on);

-- kind is I, U or D. raw is empty unless the payload does not fit its checksum.
create table pgrpo.change (
	seq bigint not null,
	id bigint not null,
	lsn pg_lsn not null,
	run int not null,
	worker int not null,
	xid xid not null,
	idx int not null,
	crc int not null,
	slot smallint not null,
	kind "char" not null,
	raw bytea not null
);
create index change_lsn on pgrpo.change using brin (lsn) with (pages_per_range = 32, autosummarize = on);

-- epoch is the fencing token: only the process that loaded last may store.
create table pgrpo.progress (
	epoch bigint not null default 0,
	end_lsn pg_lsn not null default '0/0',
	followed_to pg_lsn not null default '0/0',
	start_lsn pg_lsn not null default '0/0',
	ended_lsn pg_lsn not null default '0/0',
	open_seq bigint,
	open_lsn pg_lsn,
	open_worker int,
	duplicates bigint not null default 0,
	before_capture bigint not null default 0,
	run int not null,
	branch int not null default 0,
	ended int not null default 0,
	number smallint not null,
	slot text not null,
	primary key (run, slot),
	unique (run, number)
);

-- What was stored last of each branch, by position.
create table pgrpo.high_water (
	lsn pg_lsn not null,
	end_lsn pg_lsn not null,
	seq bigint not null,
	run int not null,
	worker int not null,
	branch int not null,
	slot smallint not null,
	primary key (run, slot, branch)
);

create table pgrpo.gap (
	from_lsn pg_lsn not null,
	to_lsn pg_lsn not null,
	run int not null,
	branch int not null,
	slot text not null,
	reason text not null,
	primary key (run, slot, branch, from_lsn)
);

-- Times are nanoseconds from the driver's start.
create table pgrpo.probe (
	at bigint not null,
	took bigint not null,
	run int not null,
	worker int not null,
	driver int not null,
	fault smallint not null,
	sqlstate text not null
);
create index probe_time on pgrpo.probe (run, driver, at);

create table pgrpo.stall (
	from_ns bigint not null,
	to_ns bigint not null,
	run int not null,
	driver int not null,
	cause text not null
);
create index stall_time on pgrpo.stall (run, driver, from_ns);

create table pgrpo.sentinel (
	run int not null,
	number int not null,
	driver int not null,
	nonce bytea not null,
	primary key (run, number, driver)
);

create table pgrpo.event (
	number bigint generated always as identity,
	at timestamptz not null,
	run int not null,
	kind text not null,
	body jsonb not null,
	primary key (run, number)
);

create table pgrpo.slot (
	number bigint generated always as identity,
	at timestamptz not null,
	run int not null,
	node text not null,
	name text not null,
	body jsonb not null,
	primary key (run, number)
);

create table pgrpo.sample (
	number bigint generated always as identity,
	at timestamptz not null,
	took interval not null,
	run int not null,
	node text not null,
	body jsonb not null,
	primary key (run, number)
);

create table pgrpo.finding (
	number bigint not null,
	seq bigint not null,
	run int not null,
	worker int not null,
	class text not null,
	body jsonb not null,
	primary key (run, number)
);

create table pgrpo.report (
	judged_at timestamptz not null default now(),
	run int not null primary key,
	body json not null
);

---- create above / drop below ----

drop table pgrpo.report, pgrpo.finding, pgrpo.sample, pgrpo.slot, pgrpo.event, pgrpo.sentinel,
	pgrpo.stall, pgrpo.probe, pgrpo.gap, pgrpo.high_water, pgrpo.progress, pgrpo.change, pgrpo.commit,
	pgrpo.ledger, pgrpo.connection, pgrpo.branch, pgrpo.worker, pgrpo.driver, pgrpo.run;
