# Ends the servers of a sandbox whose process is gone.
#
# Reads lines from its standard input: "temporary DIR" and "kept DIR" name
# directories whose servers (in DIR/data) must not stay behind, "done" says that
# all is in order. When the input ends without "done", the other side died: the
# servers are ended and the temporary directories removed.
trap '' HUP INT TERM
cd / || exit 1

while IFS= read -r line; do
	[ "$line" = done ] && exit 0
	set -- "$@" "$line"
done

# servers LINE...: process ids of the servers, of an initdb at work and of poolers.
servers() {
	for line do
		dir=${line#* }
		[ -d "$dir" ] || continue
		if [ -d /proc/self/cwd ]; then
			for p in /proc/[0-9]*; do
				[ "$p/cwd" -ef "$dir/data" ] || [ "$p/cwd" -ef "$dir" ] || continue
				read -r comm 2>/dev/null <"$p/comm" || continue
				case $comm in postgres | initdb | pgbouncer) echo "${p#/proc/}" ;; esac
			done
		elif read -r pid 2>/dev/null <"$dir/data/postmaster.pid" || read -r pid 2>/dev/null <"$dir/pgbouncer.pid"; then
			case $(ps -p "$pid" -o comm= 2>/dev/null) in *postgres* | *pgbouncer*) echo "$pid" ;; esac
		fi
	done
}

# Immediate shutdown at first, then the hard way. Frozen ones are thawed, or they
# would not hear. Nothing found for a while means that none was just starting.
round=0
quiet=0
while [ "$quiet" -lt 5 ] && [ "$round" -lt 150 ]; do
	pids=$(servers "$@")
	if [ -z "$pids" ]; then
		quiet=$((quiet + 1))
	else
		quiet=0
		sig=QUIT
		[ "$round" -ge 30 ] && sig=KILL
		kill -s $sig $pids 2>/dev/null
		kill -s CONT $pids 2>/dev/null
	fi
	round=$((round + 1))
	sleep 0.1 2>/dev/null || sleep 1
done
[ "$quiet" -ge 5 ] || exit 1

for line do
	dir=${line#* }
	case $line in "temporary /"?*) ;; *) continue ;; esac
	# A killed server leaves a System V segment; line 7 of the file is "key id".
	if [ -f "$dir/data/postmaster.pid" ]; then
		id=$(sed -n '7s/.* //p' "$dir/data/postmaster.pid")
		[ -n "$id" ] && ipcrm -m "$id" 2>/dev/null
	fi
	rm -rf -- "$dir"
done
exit 0
