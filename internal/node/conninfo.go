package node

import (
	"net/url"
	"strings"
)

// conninfoDatabase is the database that a connection string of libpq names, ""
// if it names none: its own defaults are those of the server that uses it, not
// ours (PostgreSQL manual, connection strings; fe-connect.c, conninfo_parse). Of
// several, the last counts.
func conninfoDatabase(s string) string {
	for _, scheme := range []string{"postgresql://", "postgres://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			return uriDatabase(rest)
		}
	}
	database := ""
	for {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return database
		}
		var value string
		value, s = conninfoValue(strings.TrimLeft(rest, " \t\r\n"))
		if strings.TrimSpace(name) == "dbname" {
			database = value
		}
	}
}

// conninfoValue splits a value, quoted or not, from what follows it.
func conninfoValue(s string) (value, rest string) {
	var b strings.Builder
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'', !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// uriDatabase reads a connection URI after its scheme. It may name several hosts,
// which package url does not take.
func uriDatabase(s string) string {
	s, query, _ := strings.Cut(s, "?")
	database := ""
	if _, path, ok := strings.Cut(s, "/"); ok {
		database, _ = url.PathUnescape(path)
	}
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); name == "dbname" {
			database, _ = url.PathUnescape(value)
		}
	}
	return database
}
