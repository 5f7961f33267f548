-- clock_offset is how far the repo's clock is ahead of the driver's, give or take
-- clock_error, in nanoseconds; null until it was measured.
alter table pgrpo.driver
	add column clock_offset bigint,
	add column clock_error bigint;

---- create above / drop below ----

alter table pgrpo.driver
	drop column clock_offset,
	drop column clock_error;
