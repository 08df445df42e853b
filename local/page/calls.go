package page

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
)

const (
	maxCalls  = 30 // that the page shows, as of what follows
	maxEvents = 12
)

// clock is how times of today are written.
const clock = "15:04:05.000"

// callsView is what the part about calls shows.
type callsView struct {
	Roles, Operations []string
	Role, Operation   string // that were chosen; "" for all
	Denied            bool
	Calls             []callView
	Matching, Kept    int
	Events            []record.Event
	Trail             []trailView
}

type callView struct {
	record.Call
	Time, Took, Who, By string
	Permissions         []permissionView
}

type permissionView struct {
	Action, On string
	Allowed    []string
	Missing    string
}

type trailView struct {
	Seq               uint64
	Title, Time, JSON string
}

func (p *Page) callsView(query url.Values) callsView {
	v := callsView{
		Role: query.Get("role"), Operation: query.Get("operation"), Denied: query.Get("denied") != "",
	}
	calls := p.config.Recorder.Calls()
	v.Kept = len(calls)
	roles, operations := map[string]bool{}, map[string]bool{}
	for _, c := range calls {
		roles[role(c)], operations[c.Operation] = true, true
		if v.Role != "" && v.Role != role(c) || v.Operation != "" && v.Operation != c.Operation ||
			v.Denied && !c.Denied {
			continue
		}
		v.Matching++
		if len(v.Calls) < maxCalls {
			v.Calls = append(v.Calls, p.callView(c))
		}
		if c.Service == "kms" && len(v.Trail) < maxEvents {
			v.Trail = append(v.Trail, p.trail(c))
		}
	}
	v.Roles, v.Operations = sorted(roles), sorted(operations)
	v.Events = p.config.Recorder.Events()
	v.Events = v.Events[:min(len(v.Events), maxEvents)]
	return v
}

func sorted(set map[string]bool) (all []string) {
	for name := range set {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// role names who makes a call.
func role(c record.Call) string {
	if c.Role == "" {
		return "unknown"
	}
	return c.Role
}

var makers = map[record.By]string{
	record.Function: "function", record.Extension: "extension", record.Page: "this page",
}

func (p *Page) callView(c record.Call) callView {
	v := callView{
		Call: c, Time: c.Started.Format(clock), Took: millis(c.Took), Who: role(c), By: makers[c.By],
	}
	for _, d := range c.Decisions {
		v.Permissions = append(v.Permissions, permissionView{
			d.Action, p.resource(d.Resource), p.named(d.Allowed), p.shorten(d.Missing),
		})
	}
	return v
}

// resource is the short name of a key or a table.
func (p *Page) resource(arn string) string {
	if id, known := p.config.Keys[arn]; known {
		return record.Name(id)
	}
	if _, table, found := strings.Cut(arn, ":table/"); found {
		return table
	}
	return arn
}

// named shortens the names of statements.
func (p *Page) named(statements []string) (short []string) {
	for _, s := range statements {
		short = append(short, p.shorten(s))
	}
	return short
}

// hashed matches the hash at the end of an id that the CDK made.
var hashed = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9-]*?[a-z])[0-9A-F]{8}\b`)

// shorten leaves out of a text what the page shows elsewhere: accounts and regions of ARNs, and hashes.
func (p *Page) shorten(text string) string {
	for arn, id := range p.config.Keys {
		text = strings.ReplaceAll(text, arn, record.Name(id))
		text = strings.ReplaceAll(text, id, record.Name(id))
	}
	text = hashed.ReplaceAllString(text, "$1")
	words := strings.Fields(text)
	for i, word := range words {
		if at := strings.Index(word, ":table/"); at >= 0 && strings.HasPrefix(word, "arn:") {
			words[i] = word[at+len(":table/"):]
		} else if at := strings.Index(word, ":policy/"); at >= 0 && strings.HasPrefix(word, "arn:") {
			words[i] = "policy " + word[at+len(":policy/"):]
		}
	}
	return strings.Join(words, " ")
}

// trail is what CloudTrail would have of a call to KMS.
func (p *Page) trail(c record.Call) trailView {
	issuer := map[string]any{"sessionIssuer": map[string]any{"arn": c.Principal}}
	entry := map[string]any{
		"eventTime":    c.Started.UTC().Format(time.RFC3339),
		"eventSource":  "kms.amazonaws.com",
		"eventName":    c.Operation,
		"userIdentity": map[string]any{"type": "AssumedRole", "sessionContext": issuer},
		"requestParameters": map[string]any{
			"keyId": c.Key, "encryptionContext": c.Context,
		},
	}
	title := c.Operation + " by " + role(c)
	if c.Denied {
		entry["errorCode"] = "AccessDenied"
		title += ", denied"
	}
	b, _ := json.MarshalIndent(entry, "", "  ") // of texts, which always marshal
	return trailView{c.Seq, title, c.Started.Format(clock), mask.Visible(mask.Cards(string(b)))}
}

// millis is a duration for people.
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
