// Package strict is what the files that people write for Latchkey have in common: YAML in which a mistake is an error
// that says where, and never a value that is quietly ignored.
package strict

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a file of one YAML document that is a mapping, and returns that mapping; nil for an empty file. Its error
// begins with name:line.
func Parse(name, text string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if empty(text) {
			return nil, nil
		}
		return nil, syntaxError(name, err)
	}
	if err := decoder.Decode(new(yaml.Node)); err == nil {
		return nil, fmt.Errorf("%s:%d: the file holds more than one YAML document", name, document.Line)
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: the file has to be keys and values, not %s", name, root.Line, Describe(root))
	}
	return root, nil
}

// empty tells whether a file holds nothing but comments: the decoder calls that io.EOF.
func empty(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line != "---" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

var (
	yamlLine      = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '.*' referenced$`)
)

// syntaxError is the parser's error with its line where all others have theirs.
func syntaxError(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if unknownAnchor.MatchString(text) {
		// What follows a star may be a password without its quotes.
		return fmt.Errorf("%s: a value that begins with * needs quotes", name)
	}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s:%s: %s", name, m[1], strings.TrimPrefix(text, m[0]))
	}
	return errors.New(name + ": " + text)
}

// Text is a node's string, and whether it is one. A number is one too, as it was written: an account id and a telephone
// number need no quotes.
func Text(node *yaml.Node) (string, bool) {
	if node.Kind != yaml.ScalarNode {
		return "", false
	}
	switch node.Tag {
	case "!!str", "!!int", "!!float", "!!timestamp":
		return node.Value, true
	}
	return "", false
}

// Describe says what a node is, without its value, which may be a secret.
func Describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch node.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!str":
		return "a string"
	}
	return "a value of type " + strings.TrimPrefix(node.ShortTag(), "!!")
}

// DidYouMean asks whether the known word nearest to a mistyped one was meant; it is empty when none is near.
func DidYouMean(word string, known []string) string {
	best, least := "", len(word)/2+1
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is Levenshtein's: the insertions, deletions and substitutions from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
