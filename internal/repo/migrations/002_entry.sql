-- uint32 and uint64 read a number of that width from byte at on, the least byte
-- first; the latter's upper half of values comes out negative.
create function pgrpo.uint32(b bytea, at int) returns bigint
	language sql immutable parallel safe
	return get_byte(b, at)::bigint | (get_byte(b, at + 1)::bigint << 8)
		| (get_byte(b, at + 2)::bigint << 16) | (get_byte(b, at + 3)::bigint << 24);

create function pgrpo.uint64(b bytea, at int) returns bigint
	language sql immutable parallel safe
	return pgrpo.uint32(b, at) | (pgrpo.uint32(b, at + 4) << 32);

-- entry shows the ledger's blocks to people, one row an attempt. Where a name
-- is not known, the number stands in its place. Times count from the driver's
-- start; what is finer than a microsecond is cut off.
create view pgrpo.entry as
select
	block.run,
	block.worker,
	block.seq + i as seq,
	block.driver,
	coalesce((array['in_doubt', 'acked', 'acked_unreplicated', 'failed'])[1 + get_byte(e, 41)],
		'outcome(' || get_byte(e, 41) || ')') as outcome,
	coalesce((array['unknown', 'not_sent', 'sent', 'answered'])[1 + get_byte(e, 42)],
		'unknown') as phase,
	coalesce((array['none', 'refused', 'reset', 'timeout', 'read_only', 'starting_up', 'shutting_down',
		'too_many_connections', 'miss', 'other'])[1 + get_byte(e, 43)],
		'fault(' || get_byte(e, 43) || ')') as fault,
	nullif(encode(substring(e from 37 for 5), 'escape'), '\000\000\000\000\000') as sqlstate,
	nullif((to_hex(pgrpo.uint32(e, 4)) || '/' || to_hex(pgrpo.uint32(e, 0)))::pg_lsn,
		'0/0'::pg_lsn) as lsn,
	nullif(pgrpo.uint32(e, 28), 0) as xid,
	nullif(pgrpo.uint32(e, 32), 0) as conn,
	pgrpo.uint64(e, 8) / 1000 * interval '1 microsecond' as sent,
	pgrpo.uint64(e, 16) / 1000 * interval '1 microsecond' as took,
	pgrpo.uint32(e, 24) * interval '1 microsecond' as late
from pgrpo.ledger as block
cross join lateral (
	-- The offset keeps the planner from reading the block again for each byte.
	select i, substring(whole.bytes from 44 * i + 1 for 44) as e
	from (select block.entries || ''::bytea as bytes offset 0) as whole,
		generate_series(0, block.n - 1) as i
	offset 0) as one;

---- create above / drop below ----

drop view pgrpo.entry;
drop function pgrpo.uint64(bytea, int);
drop function pgrpo.uint32(bytea, int);
