-- What the servers were told whose output the *.hex files record. Run on an empty
-- database with wal_level=logical. A file holds one message per line: its LSN and
-- its bytes in hex, read after the last statement with
--   select lsn, encode(data, 'hex') from pg_logical_slot_peek_binary_changes('s', null, null,
--     'proto_version', '1', 'publication_names', 'p', 'messages', 'true', 'binary', FORM)
-- where FORM is 'false' for *-text.hex and 'true' for *-binary.hex.
create type mood as enum ('sad', 'fine');
create table ledger (id bigint primary key, n int, v varchar(20), m mood, big text);
alter table ledger alter big set storage external;
create table whole (a int, b text);
alter table whole replica identity full;
create table nothing ();
create publication p for table ledger, whole, nothing;
select pg_create_logical_replication_slot('s', 'pgoutput');

begin;
insert into ledger values (1, -7, 'a', 'fine', repeat('x', 2100)), (2, null, '', null, null);
insert into whole values (1, 'old');
commit;

begin;
update ledger set n = 8 where id = 1;
update ledger set id = 3 where id = 2;
update whole set b = 'new';
delete from ledger where id = 3;
delete from whole;
commit;

insert into nothing default values;

select pg_logical_emit_message(true, 'pgrpo.end', 'run/0/nonce');
select pg_logical_emit_message(false, 'loose', '');

select pg_replication_origin_create('north');
select pg_replication_origin_session_setup('north');
begin;
select pg_replication_origin_xact_setup('0/7', now());
insert into whole values (2, 'from north');
commit;
select pg_replication_origin_session_reset();

truncate ledger, whole restart identity cascade;
