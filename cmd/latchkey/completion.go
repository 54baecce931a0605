package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what `latchkey completion --help` says beyond the flags.
func (*completionCommand) Help() string {
	return `Examples:

  source <(latchkey completion bash)
  source <(latchkey completion zsh)
  latchkey completion fish > ~/.config/fish/completions/latchkey.fish`
}

// Run prints a script that completes commands, flags and enumerated arguments; it is made from what kong knows of the
// command line, so that it can't fall behind.
func (c *completionCommand) Run(parser *kong.Kong, s streams) error {
	words := map[string][]string{}
	collect(parser.Model.Node, "", words)
	switch c.Shell {
	case "bash":
		writeBash(s.out, words)
	case "zsh":
		// bashcompinit makes zsh understand bash's script.
		fmt.Fprintln(s.out, "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit")
		writeBash(s.out, words)
	case "fish":
		writeFish(s.out, words)
	}
	return nil
}

// collect lists what may follow each command, by the command's path: "", "seed", "seed check".
func collect(node *kong.Node, path string, words map[string][]string) {
	for _, child := range node.Children {
		words[path] = append(words[path], child.Name)
		collect(child, strings.TrimSpace(path+" "+child.Name), words)
	}
	for _, argument := range node.Positional {
		if argument.Enum != "" {
			words[path] = append(words[path], strings.Split(strings.TrimSuffix(argument.Enum, ","), ",")...)
		}
	}
	words[path] = append(words[path], "--help")
	for _, flag := range node.Flags {
		if flag.Name == "help" {
			continue
		}
		words[path] = append(words[path], "--"+flag.Name)
		if flag.Tag.Negatable != "" {
			words[path] = append(words[path], "--no-"+flag.Name)
		}
	}
}

func writeBash(w io.Writer, words map[string][]string) {
	paths := slices.Sorted(maps.Keys(words))
	fmt.Fprint(w, `_latchkey() {
  local path= words= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "${path:+$path }$word" in
`)
	for _, path := range paths[1:] {
		fmt.Fprintf(w, "      '%s') path='%s' ;;\n", path, path)
	}
	fmt.Fprint(w, "    esac\n  done\n  case \"$path\" in\n")
	for _, path := range paths {
		fmt.Fprintf(w, "    '%s') words='%s' ;;\n", path, strings.Join(words[path], " "))
	}
	fmt.Fprint(w, `  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _latchkey latchkey
`)
}

func writeFish(w io.Writer, words map[string][]string) {
	for _, path := range slices.Sorted(maps.Keys(words)) {
		condition := "__fish_use_subcommand"
		if path != "" {
			condition = "__fish_seen_subcommand_from " + strings.ReplaceAll(path, " ", "; and __fish_seen_subcommand_from ")
		}
		for _, word := range words[path] {
			if flag, ok := strings.CutPrefix(word, "--"); ok {
				fmt.Fprintf(w, "complete -c latchkey -n '%s' -l %s\n", condition, flag)
			} else {
				fmt.Fprintf(w, "complete -c latchkey -n '%s' -f -a %s\n", condition, word)
			}
		}
	}
}
