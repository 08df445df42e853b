// Package upstream has fakes of KMS and DynamoDB that are fast enough to measure against.
//
// They share two cores with what is measured, so they do little: a connection is a goroutine, requests are scanned and
// not decoded, answers are put together from parts that are there already. They are honest where the extension depends
// on them: a data key opens with its own encryption context only, writes obey their conditions, a transaction happens
// as a whole or not at all, and every operation is counted.
//
//	s, err := upstream.Listen()
//	defer s.Close()
//	s.SetLatency(6*time.Millisecond, 4*time.Millisecond)
//	// ... calls to http://<s.Addr()> ...
//	n := s.Calls("GenerateDataKey")
package upstream

import (
	"bytes"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The tables, and the attributes of their keys.
const (
	Vault = "CreditCardTokenizerTable"
	State = "CreditCardTokenizerState"
	Index = "CreditCardTokenizerIndex"
)

var keyAttributes = map[string][]string{
	Vault: {"Hash_Key", "Account_Id"}, State: {"State_Key", "Account_Id"}, Index: {"Index_Key"},
}

// operations are those that the fakes know.
var operations = []string{
	"GenerateDataKey", "Decrypt", "GenerateMac", "GetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems",
}

// Server is a running fake of both services.
type Server struct {
	listener     net.Listener
	kms          *kms
	tables       *tables
	calls        map[string]*atomic.Int64
	kmsLatency   atomic.Int64 // nanoseconds
	tableLatency atomic.Int64
	held         atomic.Pointer[hold]
}

// hold keeps answers to GenerateDataKey back until released is closed.
type hold struct{ released chan struct{} }

// Listen starts a server on a free port of 127.0.0.1. It answers at once until SetLatency says otherwise.
func Listen() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{listener: listener, kms: newKMS(), tables: newTables(), calls: map[string]*atomic.Int64{}}
	for _, operation := range operations {
		s.calls[operation] = new(atomic.Int64)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.converse(conn)
		}
	}()
	return s, nil
}

// Addr is the host and port that both services have.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops accepting connections.
func (s *Server) Close() error { return s.listener.Close() }

// SetLatency sets how long each service takes for an answer.
func (s *Server) SetLatency(kms, dynamoDB time.Duration) {
	s.kmsLatency.Store(int64(kms))
	s.tableLatency.Store(int64(dynamoDB))
}

// Calls returns how often an operation was called.
func (s *Server) Calls(operation string) int64 { return s.calls[operation].Load() }

// KMSCalls returns how often KMS was called.
func (s *Server) KMSCalls() int64 {
	return s.Calls("GenerateDataKey") + s.Calls("Decrypt") + s.Calls("GenerateMac")
}

// HoldDataKeys keeps the answers to GenerateDataKey back until release is called.
func (s *Server) HoldDataKeys() (release func()) {
	h := &hold{make(chan struct{})}
	s.held.Store(h)
	return sync.OnceFunc(func() {
		s.held.Store(nil)
		close(h.released)
	})
}

// Limit makes the vault's table forget its oldest rows, so that it never has more than n. 0 means that it forgets none.
func (s *Server) Limit(n int) { s.tables.setLimit(n) }

// answer answers one request, after the time that its service takes.
func (s *Server) answer(req request) answer {
	if bytes.HasPrefix(req.path, []byte("/v1/")) { // a peer logs in to its server
		return answer{http.StatusOK, []byte(`{"auth":{"client_token":"t","lease_duration":3600,"renewable":true}}`)}
	}
	service, operation, _ := bytes.Cut(req.target, []byte("."))
	count := s.calls[string(operation)]
	if count == nil {
		return failed("UnknownOperationException")
	}
	count.Add(1)
	if !req.signed {
		return failed("MissingAuthenticationTokenException")
	}
	if string(service) == "TrentService" {
		if h := s.held.Load(); h != nil && string(operation) == "GenerateDataKey" {
			<-h.released
		}
		pause(&s.kmsLatency)
		return s.kms.answer(operation, req.body)
	}
	pause(&s.tableLatency)
	return s.tables.answer(operation, req.body)
}

func pause(latency *atomic.Int64) {
	if d := latency.Load(); d > 0 {
		time.Sleep(time.Duration(d))
	}
}

// failed is an error of a service.
func failed(exception string) answer {
	return answer{
		http.StatusBadRequest,
		[]byte(`{"__type":"com.amazonaws.fake#` + exception + `","message":"the benchmark's fake refuses this"}`),
	}
}
