-- saves numbers the stores of a stream: of two that claim the same number one
-- takes effect. mismatches counts the transactions that came again with another
-- content.
alter table pgrpo.progress
	add column saves bigint not null default 0,
	add column mismatches bigint not null default 0;

---- create above / drop below ----

alter table pgrpo.progress
	drop column saves,
	drop column mismatches;
