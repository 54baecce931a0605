package store

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLogger passes on what etcd reports when it is in trouble: it ends the process when it can't write its log, and the
// reason must not be lost. What it calls warnings and errors is for debugging: they tell of a slow disk, and some belong to
// every first start.
func etcdLogger(logger *slog.Logger) *zap.Logger {
	return zap.New(slogCore{logger.With("component", "etcd")})
}

// slogCore is zap's output on slog.
type slogCore struct{ logger *slog.Logger }

// Enabled implements zapcore.LevelEnabler.
func (c slogCore) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.logger.With(attributes(fields)...)}
}

// Check implements zapcore.Core.
func (c slogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c slogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelDebug
	if entry.Level >= zapcore.DPanicLevel {
		level = slog.LevelError
	}
	c.logger.Log(context.Background(), level, entry.Message, attributes(fields)...)
	return nil
}

// Sync implements zapcore.Core.
func (c slogCore) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	encoder := zapcore.NewMapObjectEncoder()
	all := make([]any, 0, 2*len(fields))
	for _, field := range fields {
		field.AddTo(encoder)
		all = append(all, field.Key, encoder.Fields[field.Key])
	}
	return all
}
