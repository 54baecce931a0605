package fault

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestStopped: a server that is stopped for a while (SIGSTOP) under load goes on where it was. Clients that could not wait
// do not know what came of their resets; the audit trail does.
func TestStopped(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, writeSeed(t, 1), "--metrics-listen", "127.0.0.1:0")
	histories := newHistories()
	var told []*attempt
	for round := range 3 {
		finish := s.load(t, fmt.Sprintf("stopped%d", round), histories, true, time.Second, lost)
		time.Sleep(randomly(200 * time.Millisecond))
		s.signal(t, syscall.SIGSTOP)
		patient := make(chan int, 1)
		go func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			a := &attempt{agent: fmt.Sprintf("fault/patient/%d", round), password: fmt.Sprintf("Stopped-and-gone-on-%d", round)}
			status, err := (&history{user: "once0"}).reset(context.WithoutCancel(t.Context()), s, client, a)
			if err != nil {
				status = -1
			}
			patient <- status
		}()
		time.Sleep(1500 * time.Millisecond)
		s.signal(t, syscall.SIGCONT)
		if status := <-patient; status != http.StatusOK {
			t.Errorf("a reset that waited: %d", status)
		}
		if code := s.login(t, `FAULT\once0`, fmt.Sprintf("Stopped-and-gone-on-%d", round)); code != "" {
			t.Errorf("its password: %s", code)
		}
		time.Sleep(200 * time.Millisecond)
		finish()
		// Those whose clients have left are still at work, perhaps.
		s.rests(t)
		checkAll(t, s, data, histories, &told)
	}
	s.stop(t)
	checkAudit(t, data, told)
}

// rests returns when no call is at work.
func (s *server) rests(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(s.Metrics)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		switch {
		case err != nil:
			t.Fatal(err)
		case bytes.Contains(text, []byte("\nlatchkey_requests_in_flight 0\n")):
			return
		case time.Now().After(deadline):
			t.Fatalf("calls are still at work:\n%s", text)
		}
	}
}

// TestDrain: resets that have begun when the server is told to stop are carried out and answered, and the process ends
// with status 0.
func TestDrain(t *testing.T) {
	const requests = 32
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, writeSeed(t, requests))
	address := strings.TrimPrefix(s.API, "http://")
	conns := make([]net.Conn, requests)
	answers := make([]*bufio.Reader, requests)
	rest := make([][]byte, requests)
	for i := range requests {
		request, err := s.sign(t.Context(), "ResetUserPassword", fmt.Sprintf("fault/drain/%d", i), resetOf(fmt.Sprintf("once%d", i), fmt.Sprintf("Drained-and-done-%d", i)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		// The server says when it is about to read the body.
		request.Header.Set("Expect", "100-continue")
		var text bytes.Buffer
		if err := request.Write(&text); err != nil {
			t.Fatal(err)
		}
		if conns[i], err = net.Dial("tcp", address); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		// All but the end: the server waits for it in the middle of the request.
		cut := text.Len() - 10
		if _, err := conns[i].Write(text.Bytes()[:cut]); err != nil {
			t.Fatal(err)
		}
		rest[i] = text.Bytes()[cut:]
		answers[i] = bufio.NewReader(conns[i])
	}
	for i := range requests {
		_ = conns[i].SetReadDeadline(time.Now().Add(patience))
		for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
			if line, err := answers[i].ReadString('\n'); err != nil || line != want {
				t.Fatalf("request %d is not taken: %q, %v", i, line, err)
			}
		}
	}
	s.signal(t, syscall.SIGTERM)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still takes connections")
		}
	}
	for i, conn := range conns {
		if _, err := conn.Write(rest[i]); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	for i := range requests {
		response, err := http.ReadResponse(answers[i], nil)
		if err != nil {
			t.Errorf("request %d: %v", i, err)
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("request %d: %d", i, response.StatusCode)
		}
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	if s.err != nil {
		t.Errorf("the server ended with %v\n%s", s.err, s.stderr.String())
	}
	events := audit(t, data)
	s = start(t, data, "")
	for i := range requests {
		if code := s.login(t, fmt.Sprintf(`FAULT\once%d`, i), fmt.Sprintf("Drained-and-done-%d", i)); code != "" {
			t.Errorf("once%d: %s", i, code)
		}
		if said := events[fmt.Sprintf("fault/drain/%d", i)]; len(said) != 1 || said[0].ErrorCode != "" {
			t.Errorf("once%d: the audit trail says %v", i, said)
		}
	}
}

// TestTerminate tells the server to stop under load, again and again: it ends with status 0, and whatever it acknowledged
// holds.
func TestTerminate(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, writeSeed(t, 1))
	histories := newHistories()
	var told []*attempt
	for round := range 3 {
		finish := s.load(t, fmt.Sprintf("terminated%d", round), histories, false, patience, lost)
		time.Sleep(randomly(longestLife))
		s.stop(t)
		finish()
		s = start(t, data, "")
		checkAll(t, s, data, histories, &told)
	}
	checkAudit(t, data, told)
}

// TestSkew: clients whose clocks are wrong by less than five minutes are served, others are refused and change nothing.
// The time of a reset is the server's.
func TestSkew(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "data"), writeSeed(t, 1))
	admin := s.administrator(t)
	var clients sync.WaitGroup
	for i, skew := range []time.Duration{-6 * time.Minute, -5*time.Minute - 10*time.Second, -4*time.Minute - 50*time.Second, 4*time.Minute + 50*time.Second, 5*time.Minute + 10*time.Second, 24 * time.Hour} {
		clients.Go(func() {
			user, password := fmt.Sprintf("stream%d", i), "Wrong-by-"+skew.String()
			before := time.Now().Add(-time.Microsecond)
			request, err := s.sign(t.Context(), "ResetUserPassword", "fault/skew", resetOf(user, password), time.Now().Add(skew))
			if err != nil {
				t.Error(err)
				return
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
			served := skew.Abs() < 5*time.Minute
			if served != (response.StatusCode == http.StatusOK) {
				t.Errorf("a clock that is wrong by %v: %d", skew, response.StatusCode)
			}
			if works := s.login(t, `FAULT\`+user, password) == ""; works != served {
				t.Errorf("a clock that is wrong by %v: the password works: %t", skew, works)
			}
			if set := look(t, admin, user).set; served && (set.Before(before) || set.After(time.Now())) {
				t.Errorf("a clock that is wrong by %v: pwdLastSet is %v", skew, set)
			}
		})
	}
	clients.Wait()
}
