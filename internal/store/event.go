package store

import "time"

// LogSubscription is where a directory's security events go.
type LogSubscription struct {
	Group   string    `json:"group"`
	Created time.Time `json:"created"`
}

// EventTopic is who is told of a directory's stages.
type EventTopic struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Status
	// Untold are the stages that are still to be told of, the oldest first.
	Untold []StageChange `json:"untold,omitempty"`
}

// StageChange is a stage that a directory has come to.
type StageChange struct {
	ID     string    `json:"id"`
	Former string    `json:"former"`
	Stage  string    `json:"stage"`
	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time"`
}
