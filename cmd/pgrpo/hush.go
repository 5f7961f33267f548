package main

import "regexp"

// What may hold a password where a connection string stands in the place of
// something else: an argument, a flag's value, a word behind a single dash.
var (
	urlPassword = regexp.MustCompile(`(://[^\s:/@"]*:)[^\s"]*@`)
	keyPassword = regexp.MustCompile(`(?i)(pass(?:word|file)?\s*=\s*)(?:'[^']*'?|[^\s"&;]+)`)
)

// hush takes passwords out of a text that repeats what was typed.
func hush(text string) string {
	return keyPassword.ReplaceAllString(urlPassword.ReplaceAllString(text, "${1}***@"), "${1}***")
}
