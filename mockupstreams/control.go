package mockupstreams

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	controlTimeout = 10 * time.Second // for reading a request; writing waits for a bind, too
	controlBody    = 64 << 10         // bytes of a request's body
)

// controlServer serves the control API. Everything is JSON; errors are
// {"error": "..."}.
//
//	GET    /faults         {"faults": [...]}  at work, in the order of application
//	POST   /faults         a Fault: 201 and the fault; 400 wrong, 409 name taken, 422 unsupported
//	DELETE /faults/{name}  204; 404 not applied, 503 its address is taken
//	GET    /counts         Counts
//	GET    /attempts       {"dropped": n, "attempts": [...]}
//	POST   /reset          204; counts and attempts start anew
//	GET    /healthz        {"name", "addrs": [...], "refusing": [...]}
func controlServer(s *Server) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"faults": s.Faults()})
	})
	mux.HandleFunc("POST /faults", s.postFault)
	mux.HandleFunc("DELETE /faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Heal(r.PathValue("name")); err != nil {
			replyError(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, s.Counts())
	})
	mux.HandleFunc("GET /attempts", func(w http.ResponseWriter, _ *http.Request) {
		attempts, dropped := s.Attempts()
		reply(w, http.StatusOK, map[string]any{"dropped": dropped, "attempts": attempts})
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"name": s.cfg.Name, "addrs": s.Addrs(), "refusing": s.Refusing()})
	})
	return &http.Server{
		Handler:        mux,
		ReadTimeout:    controlTimeout,
		WriteTimeout:   controlTimeout,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, controlBody))
	if err != nil {
		replyError(w, err)
		return
	}
	f, err := ParseFault(data)
	if err == nil {
		err = s.Apply(f)
	}
	if err != nil {
		replyError(w, err)
		return
	}
	reply(w, http.StatusCreated, f)
}

func replyError(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, ErrDuplicate):
		code = http.StatusConflict
	case errors.Is(err, ErrNotApplied):
		code = http.StatusNotFound
	case errors.Is(err, ErrUnsupported):
		code = http.StatusUnprocessableEntity
	case errors.Is(err, ErrClosed), errors.Is(err, ErrListen):
		code = http.StatusServiceUnavailable
	case errors.As(err, &tooLarge):
		code = http.StatusRequestEntityTooLarge
	}
	reply(w, code, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // a client that has left needs no answer
}
