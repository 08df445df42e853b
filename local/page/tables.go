package page

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
)

// Tables, as the sample names them.
const (
	orderTable = walkthrough.OrderTable
	vaultTable = walkthrough.VaultTable
	stateTable = walkthrough.StateTable
	indexTable = "CreditCardTokenizerIndex"
)

const (
	maxRows  = 2000 // that are read of a table
	maxPairs = 6    // that the page shows: those of orders first, but some rows that no order has
	maxPaid  = 4
	maxSame  = 3 // orders that are shown of a token
)

// pair is a token with the orders that have it and the row of the vault, or with one of them alone. Two orders have the
// same token only if somebody copied it.
type pair struct {
	Token  string
	Orders [][]field // the first ones
	More   int       // other orders
	Vault  []field   // empty if the vault has no row
	State  []field   // uses and revocation
	Index  string    // the row's keys in the index
	Seal   *seal
	Read   *attempt.Report
	// Attack is the title of the attack that made the token; "" if none did.
	Attack string
	time   string
}

// field is an attribute as the page shows it.
type field struct{ Name, Value, Kind string }

// seal is what the vault's row shows of its envelope.
type seal struct {
	Base64, Key string
	Size        int
	Context     []field
}

// snapshot is what the tables hold.
type snapshot struct {
	pairs                             []pair
	tokens, orders, rows, states, ids int
}

// snapshots reads the tables when somebody looks and something changed, or when a while has passed, because the AWS CLI
// changes rows without the recorder. It never reads so often that this takes more than a part of the time.
type snapshots struct {
	tables Tables

	mu    sync.Mutex
	seq   uint64
	at    time.Time // when it was read
	next  time.Time // when it may be read again
	last  snapshot
	err   error
	known bool
	seen  map[string]int // when a token was seen first, in the order of the tokens
}

func (s *snapshots) get(ctx context.Context, seq uint64) (snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && seq == s.seq && time.Since(s.at) < heartbeat/2 {
		return s.last, s.err
	}
	select { // whoever is told of a change asks once, so the answer must not be an old one
	case <-ctx.Done():
		return snapshot{}, ctx.Err()
	case <-time.After(time.Until(s.next)):
	}
	s.at = time.Now()
	s.last, s.err = s.read(ctx)
	s.seq, s.known = seq, true
	s.next = s.at.Add(min(10*time.Since(s.at), 2*time.Second))
	return s.last, s.err
}

func (s *snapshots) read(ctx context.Context) (snapshot, error) {
	rows := map[string][]Row{}
	for _, table := range []string{orderTable, vaultTable, stateTable, indexTable} {
		var err error
		if rows[table], err = s.tables.Rows(ctx, table, maxRows); err != nil {
			return snapshot{}, err
		}
	}
	byToken := map[string]*pair{}
	of := func(token string) *pair {
		token = shown(token)
		if byToken[token] == nil {
			byToken[token] = &pair{Token: token}
		}
		return byToken[token]
	}
	for _, row := range rows[orderTable] {
		p := of(row.Text["CreditCard"])
		p.time = max(p.time, row.Text["CreatedAt"])
		if len(p.Orders) < maxSame {
			p.Orders = append(p.Orders, orderFields(row))
		} else {
			p.More++
		}
	}
	for _, row := range rows[vaultTable] {
		p := of(row.Text["Hash_Key"])
		p.Vault, p.Seal, p.Index = vaultFields(row), sealOf(row), row.Text["IndexKeys"]
	}
	for _, row := range rows[stateTable] {
		key := row.Text["State_Key"]
		token := key[strings.LastIndexByte(key, '#')+1:]
		p := of(token)
		p.State = append(p.State, stateField(key, row))
	}
	got := snapshot{
		tokens: len(byToken), orders: len(rows[orderTable]), rows: len(rows[vaultTable]),
		states: len(rows[stateTable]), ids: len(rows[indexTable]),
	}
	got.pairs = s.latest(byToken)
	return got, nil
}

// latest returns the pairs that were seen last, those of orders before the others. Rows of the vault have no time, so
// the page remembers in which order it saw tokens.
func (s *snapshots) latest(byToken map[string]*pair) []pair {
	tokens := make([]string, 0, len(byToken))
	for token := range byToken {
		tokens = append(tokens, token)
	}
	slices.SortFunc(tokens, func(a, b string) int {
		return cmp.Or(cmp.Compare(byToken[a].time, byToken[b].time), cmp.Compare(a, b))
	})
	seen := make(map[string]int, len(tokens))
	next := 0
	for _, n := range s.seen {
		next = max(next, n)
	}
	for _, token := range tokens {
		if n, known := s.seen[token]; known {
			seen[token] = n
			continue
		}
		next++
		seen[token] = next
	}
	s.seen = seen
	slices.SortFunc(tokens, func(a, b string) int { return cmp.Compare(seen[b], seen[a]) })
	var ordered, others []pair
	for _, token := range tokens {
		if p := byToken[token]; len(p.Orders) > 0 {
			ordered = append(ordered, *p)
		} else {
			others = append(others, *p)
		}
	}
	free := maxPairs - min(len(ordered), maxPaid)
	rest := min(len(others), free)
	return append(ordered[:min(len(ordered), maxPairs-rest)], others[:rest]...)
}

func orderFields(row Row) []field {
	return fieldsOf(row, "CreditCard",
		"CustomerOrder", "CreditCard", "CardBrand", "CardLastFour", "State", "CustomerName", "Address", "PaidAt")
}

func vaultFields(row Row) []field {
	return fieldsOf(row, "Hash_Key", "Hash_Key", "Ref", "Purpose", "ExpiresAt", "IndexKeys")
}

// fieldsOf are those of the named attributes that a row has. One of them is its token.
func fieldsOf(row Row, token string, names ...string) (fields []field) {
	for _, name := range names {
		value, found := row.Text[name]
		if !found {
			continue
		}
		kind := ""
		if name == token {
			kind = "token"
		}
		fields = append(fields, field{name, shown(value), kind})
	}
	return fields
}

func sealOf(row Row) *seal {
	message := row.Binary["CandidateString"]
	if len(message) == 0 {
		return nil
	}
	begin := base64.StdEncoding.EncodeToString(message[:min(len(message), 180)])
	s := &seal{Base64: mask.Cards(begin), Size: len(message)}
	envelope, err := attempt.ParseEnvelope(message)
	if err != nil {
		s.Key = "unreadable"
		return s
	}
	s.Key = envelope.Key
	for _, name := range []string{"account_id", "table", "ref", "purpose"} {
		if value, found := envelope.Context[name]; found {
			s.Context = append(s.Context, field{name, shown(value), ""})
		}
	}
	return s
}

func stateField(key string, row Row) field {
	if strings.HasPrefix(key, "gone#") {
		return field{"tombstone", "revoked for good", "denied"}
	}
	return field{"uses", shown(row.Text["Uses"]), ""}
}

// shown is a value as the page shows it.
func shown(value string) string {
	const most = 200
	value = mask.Visible(mask.Cards(value))
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	return value
}

// tablesView is what the part about the tables shows.
type tablesView struct {
	View                        string // app, security, or both
	Pairs                       []pair
	Orders, Rows, States, Index string
	Developer                   []attempt.Step
	Readers                     []attempt.Reader
	Failed                      bool
	More                        int
}

func (p *Page) tablesView(ctx context.Context, s session, made map[string]string, view string) tablesView {
	if view != "app" && view != "security" {
		view = "both"
	}
	v := tablesView{View: view, Readers: attempt.Readers()}
	got, err := p.snapshots.get(ctx, p.config.Recorder.Seq())
	if err != nil {
		v.Failed = true
		return v
	}
	v.Orders, v.Rows = count(got.orders), count(got.rows)
	v.States, v.Index = count(got.states), count(got.ids)
	for _, of := range got.pairs {
		if view == "app" && len(of.Orders) == 0 {
			continue
		}
		of.Attack = made[of.Token]
		if report, found := s.Reads[of.Token]; found {
			of.Read = &report
		}
		v.Pairs = append(v.Pairs, of)
	}
	v.More = got.tokens - len(v.Pairs)
	if view == "app" {
		v.Developer, v.More = p.developerSees(ctx), got.orders
		for _, of := range v.Pairs {
			v.More -= len(of.Orders) + of.More
		}
	}
	return v
}

func count(n int) string {
	switch {
	case n >= maxRows:
		return fmt.Sprintf("the first %d rows", maxRows)
	case n == 1:
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// developerSees tries once what the application developer may read, because policies do not change while the system
// runs.
func (p *Page) developerSees(ctx context.Context) []attempt.Step {
	p.mu.Lock()
	known := p.sees
	p.mu.Unlock()
	if known != nil {
		return known
	}
	tried, err := p.config.Lab.DeveloperSees(ctx, []string{orderTable, vaultTable, stateTable, indexTable})
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sees = tried
	return tried
}
