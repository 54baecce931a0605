package directory

import (
	"crypto/rand"
	"errors"
)

// The kinds of characters of a made-up password, without those that are taken for one another.
const (
	upperLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	lowerLetters = "abcdefghijkmnpqrstuvwxyz"
	digits       = "23456789"
	marks        = "-_.:;,+*=?!%&/()"
)

// shortestGenerated has more than 90 bits.
const shortestGenerated = 16

// Generate makes up a password that the settings allow for that account. The caller wipes it.
func (s PasswordSettings) Generate(accountName, displayName string) ([]byte, error) {
	password := make([]byte, max(shortestGenerated, s.MinLength))
	if len(password) > MaxPasswordUnits {
		return nil, errors.New("minPwdLength demands more than a password can have")
	}
	// The names may be in it by chance, which is rare.
	for range 100 {
		for i := range password {
			alphabet := upperLetters + lowerLetters + digits + marks
			switch i {
			case 0:
				alphabet = upperLetters
			case 1:
				alphabet = lowerLetters
			case 2:
				alphabet = digits
			case 3:
				alphabet = marks
			}
			password[i] = alphabet[randomBelow(len(alphabet))]
		}
		for i := len(password) - 1; i > 0; i-- {
			j := randomBelow(i + 1)
			password[i], password[j] = password[j], password[i]
		}
		if s.Check(password, accountName, displayName) == nil {
			return password, nil
		}
	}
	clear(password)
	return nil, errors.New("no password fits the settings")
}

// randomBelow is a number below n, which is at most 256, each as likely as the others.
func randomBelow(n int) int {
	var one [1]byte
	for {
		_, _ = rand.Read(one[:]) // never fails
		if int(one[0]) < 256/n*n {
			return int(one[0]) % n
		}
	}
}
