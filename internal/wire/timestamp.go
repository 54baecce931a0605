package wire

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Timestamp is a time as the JSON protocols write it: a number, seconds since the epoch, with at most three decimals
// (1714340834.63).
type Timestamp struct{ time.Time }

// At is t as a member of a response.
func At(t time.Time) *Timestamp { return &Timestamp{t} }

// MarshalJSON cuts what is below a millisecond.
func (t Timestamp) MarshalJSON() ([]byte, error) { return t.appendJSON(nil), nil }

func (t Timestamp) appendJSON(dst []byte) []byte {
	return strconv.AppendFloat(dst, float64(t.UnixMilli())/1000, 'f', -1, 64)
}

// lastSecond is the end of the year 9999, past which RFC 3339 cannot write a time.
const lastSecond = 253402300799

// UnmarshalJSON rounds to milliseconds. It fails for anything but a number between the years -9999 and 9999.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > lastSecond {
		return fmt.Errorf("wire: a timestamp is a number of seconds")
	}
	t.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}
