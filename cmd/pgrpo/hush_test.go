package main

import "testing"

func TestHush(t *testing.T) {
	for text, want := range map[string]string{
		`unknown command "postgres://u:secret@h/db" for "pgrpo"`: `unknown command "postgres://u:***@h/db" for "pgrpo"`,
		"postgres://u:se@cr:et@h:1/db and postgresql://v:x@i/e":  "postgres://u:***@h:1/db and postgresql://v:***@i/e",
		`"host=h password=secret port=1"`:                        `"host=h password=*** port=1"`,
		"host=h Password = 'se cret' port=1":                     "host=h Password = *** port=1",
		"postgres://h/db?password=secret&sslmode=disable":        "postgres://h/db?password=***&sslmode=disable",
		"connect to h:5432: wrong password for role \"u\"":       "connect to h:5432: wrong password for role \"u\"",
		"postgres://user@host:5432/db":                           "postgres://user@host:5432/db",
		"give it in the connection string, PGPASSWORD or a file": "give it in the connection string, PGPASSWORD or a file",
	} {
		if got := hush(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
