package upstream

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// tables are DynamoDB's. An item is the raw JSON that was put.
type tables struct {
	expressions sync.Map // compiled, by text

	mu    sync.Mutex
	items map[string][]byte // by table and key
	order []string          // keys of the vault's items, the oldest first, if limit is set
	limit int
	units Units
}

func newTables() *tables { return &tables{items: map[string][]byte{}} }

func (t *tables) setLimit(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = n
	if n == 0 {
		t.order = nil
	}
}

// write is one write: alone, or one of a transaction.
type write struct {
	kind                         string // Put, Delete, Update or ConditionCheck
	table, key                   string
	item, keyItem                []byte // raw; item of a Put, keyItem of the others
	condition, update            []byte
	values, names                []byte
	old, after                   []byte
	refused, unknown, consistent bool
}

// parse reads the members that all operations share.
func parse(kind string, body []byte) (write, bool) {
	w := write{kind: kind}
	err := members(body, func(name, value []byte) bool {
		switch string(name) {
		case "TableName":
			w.table = string(text(value))
		case "Item":
			w.item = value
		case "Key":
			w.keyItem = value
		case "ConditionExpression":
			w.condition = text(value)
		case "UpdateExpression":
			w.update = text(value)
		case "ExpressionAttributeValues":
			w.values = value
		case "ExpressionAttributeNames":
			w.names = value
		case "ConsistentRead":
			w.consistent = string(value) == "true"
		}
		return true
	})
	source := w.keyItem
	if kind == "Put" {
		source = w.item
	}
	key := strings.Builder{}
	key.WriteString(w.table)
	for _, attribute := range keyAttributes[w.table] {
		_, content := typed(member(source, attribute))
		if len(content) == 0 {
			return w, false
		}
		key.WriteByte(0)
		key.Write(content)
	}
	w.key = key.String()
	return w, err == nil && keyAttributes[w.table] != nil
}

func (t *tables) answer(operation, body []byte) answer {
	kind := map[string]string{
		"PutItem": "Put", "DeleteItem": "Delete", "UpdateItem": "Update", "GetItem": "Get",
	}[string(operation)]
	if kind == "" {
		return t.transact(body)
	}
	w, ok := parse(kind, body)
	switch {
	case !ok:
		return failed("ResourceNotFoundException")
	case kind == "Get":
		return t.get(w)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prepare(&w)
	t.units.write(&w, 1)
	switch {
	case w.unknown:
		return failed("ValidationException")
	case w.refused:
		return failed("ConditionalCheckFailedException")
	}
	t.apply(&w)
	return answer{http.StatusOK, []byte("{}")}
}

// get answers a read. A read that is not consistent is refused: it may miss what was written.
func (t *tables) get(w write) answer {
	if !w.consistent {
		return failed("ValidationException")
	}
	t.mu.Lock()
	item := t.items[w.key]
	t.units.read(item)
	t.mu.Unlock()
	if item == nil {
		return answer{http.StatusOK, []byte("{}")}
	}
	out := append(make([]byte, 0, len(item)+16), `{"Item":`...)
	return answer{http.StatusOK, append(append(out, item...), '}')}
}

func (t *tables) transact(body []byte) answer {
	var writes []write
	known := true
	err := elements(member(body, "TransactItems"), func(element []byte) bool {
		_ = members(element, func(name, value []byte) bool {
			w, ok := parse(string(name), value)
			writes, known = append(writes, w), known && ok
			return true
		})
		return known
	})
	if err != nil || !known || len(writes) == 0 || member(body, "ClientRequestToken") == nil {
		return failed("ValidationException")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range writes {
		t.prepare(&writes[i])
		t.units.write(&writes[i], 2) // a transaction costs twice
	}
	if slices.ContainsFunc(writes, func(w write) bool { return w.unknown }) {
		return failed("ValidationException")
	}
	if slices.ContainsFunc(writes, func(w write) bool { return w.refused }) {
		return cancelled(writes)
	}
	for i := range writes {
		t.apply(&writes[i])
	}
	return answer{http.StatusOK, []byte("{}")}
}

func cancelled(writes []write) answer {
	reasons := make([]string, len(writes))
	for i, w := range writes {
		reasons[i] = `{"Code":"None"}`
		if w.refused {
			reasons[i] = `{"Code":"ConditionalCheckFailed"}`
		}
	}
	return answer{http.StatusBadRequest, []byte(
		`{"__type":"com.amazonaws.fake#TransactionCanceledException","message":"cancelled","CancellationReasons":[` +
			strings.Join(reasons, ",") + `]}`)}
}

// prepare finds out what a write would do. The caller holds t.mu.
func (t *tables) prepare(w *write) {
	w.old = t.items[w.key]
	s := scope{item: w.old, values: w.values, names: w.names}
	if w.condition != nil {
		holds, ok := compiled(t, string(w.condition), compileCondition)
		w.unknown = !ok
		w.refused = ok && !holds(s)
	}
	switch w.kind {
	case "Put":
		w.after = bytes.Clone(w.item)
	case "Update":
		assignments, ok := compiled(t, string(w.update), compileUpdate)
		if w.unknown = w.unknown || !ok; ok {
			w.after = update(s, w.keyItem, assignments)
		}
	case "Delete", "ConditionCheck":
	default:
		w.unknown = true
	}
}

func compiled[T any](t *tables, text string, compile func(string) (T, error)) (result T, ok bool) {
	if known, found := t.expressions.Load(text); found {
		result, ok = known.(T)
		return result, ok
	}
	result, err := compile(text)
	if err != nil {
		return result, false
	}
	t.expressions.Store(text, result)
	return result, true
}

// apply does a write. The caller holds t.mu.
func (t *tables) apply(w *write) {
	switch w.kind {
	case "Delete":
		delete(t.items, w.key)
	case "Put", "Update":
		t.items[w.key] = w.after
		if w.old == nil && t.limit > 0 && w.table == Vault {
			t.order = append(t.order, w.key)
			t.forget()
		}
	}
}

// forget removes the oldest rows. Half of them go at once, so that the list is seldom moved.
func (t *tables) forget() {
	if len(t.order) <= 2*t.limit {
		return
	}
	for _, key := range t.order[:t.limit] {
		delete(t.items, key)
	}
	t.order = slices.Clone(t.order[t.limit:])
}

// Item returns the raw JSON of an item of the vault, or nil.
func (s *Server) Item(token, account string) []byte {
	s.tables.mu.Lock()
	defer s.tables.mu.Unlock()
	return bytes.Clone(s.tables.items[Vault+"\x00"+token+"\x00"+account])
}
