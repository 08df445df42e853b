package attempt

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Reader is somebody who wants to read a card.
type Reader struct {
	ID, Name string
	Who      string // in one sentence
	read     func(*trial, target)
}

// Readers are all readers.
func Readers() []Reader {
	return []Reader{
		{"order", "Order function", "It made the token. It may tokenize, and nothing else.", (*trial).asOrder},
		{"paybill", "Paybill function", "It may detokenize, for the order that it pays.", (*trial).asPaybill},
		{"developer", "Application developer",
			"Every permission in the account, within the deployers' boundary of the security team.", (*trial).asDeveloper},
		{"security", "Security team", "Every permission in the account, without a boundary.", (*trial).asTeam},
		{"thief", "Thief with the table", "A copy of the row, and an AWS account of their own.", (*trial).asThief},
	}
}

// target is the token to read.
type target struct {
	token    string
	row      map[string]types.AttributeValue
	envelope Envelope
	context  map[string]string // of the order that has the token; nil without one
}

// ReadAs tries to read the card behind a token of the vault.
func (l *Lab) ReadAs(ctx context.Context, reader, token string) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range Readers() {
		if r.ID != reader {
			continue
		}
		row, err := l.row(ctx, token)
		switch {
		case errors.Is(err, errNoRow):
			return Report{Title: r.Name, Verdict: "Nobody gets a card: the vault has no such row.", Broken: true}, nil
		case err != nil:
			return Report{}, err
		}
		envelope, err := ParseEnvelope(sealedIn(row))
		if err != nil {
			return Report{Title: r.Name, Verdict: "Nobody gets a card: the row has no envelope.", Broken: true}, nil
		}
		binding, err := l.bindingOf(ctx, token)
		if err != nil {
			return Report{}, err
		}
		t := &trial{Lab: l, ctx: ctx}
		r.read(t, target{token, row, envelope, binding})
		if t.err != nil {
			return Report{}, t.err
		}
		return t.readReport(r.Name), nil
	}
	return Report{}, fmt.Errorf("nobody here is called that: the readers are %d", len(Readers()))
}

// readReport says what a reader got: the card if its last step was carried out.
func (t *trial) readReport(title string) Report {
	r := Report{Title: title, Steps: t.steps, Verdict: "Does not get the card.", Stopped: true}
	if last := t.steps[len(t.steps)-1]; last.Kind == OK {
		r.Verdict, r.Stopped = "Gets the card: "+last.Result, false
	}
	return r
}

// bindingOf finds the order that has a token, to which the card is bound.
func (l *Lab) bindingOf(ctx context.Context, token string) (map[string]string, error) {
	pages := dynamodb.NewScanPaginator(l.system.Clients.DynamoDB,
		&dynamodb.ScanInput{TableName: new(walkthrough.OrderTable), ConsistentRead: new(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Items {
			if textOf(row["CreditCard"]) == token {
				return map[string]string{"order": textOf(row["CustomerOrder"]), "user": textOf(row["Sub"])}, nil
			}
		}
	}
	return nil, nil
}

func (t *trial) asOrder(of target) {
	t.detokenize(asksForCard, orderName, orderFunction, of.token, of.context, client.PlainText)
	a, err := t.as(orderName, orderFunction)
	if t.err = firstError(t.err, err); t.err != nil {
		return
	}
	t.goAround(a, of)
}

func (t *trial) asPaybill(of target) {
	t.detokenize(asksForCard, paybillName, paybillFunction, of.token, of.context, client.PlainText)
}

func (t *trial) asDeveloper(of target) {
	a, err := t.developer()
	if t.err = err; err != nil {
		return
	}
	t.step(a.name, a.principal, "reads the order table", func() (string, error) {
		out, err := a.tables.Scan(t.ctx, &dynamodb.ScanInput{
			TableName: new(walkthrough.OrderTable), Limit: new(int32(50)),
		})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d orders, with tokens in place of cards", len(out.Items)), nil
	})
	t.goAround(a, of)
}

func (t *trial) asTeam(of target) {
	a, err := t.team()
	if t.err = err; err != nil {
		return
	}
	t.goAround(a, of)
}

func (t *trial) asThief(of target) {
	principal := "arn:aws:iam::210987654321:role/thief"
	config, err := t.system.ActAsPrincipal(principal, "")
	if t.err = err; err != nil {
		return
	}
	a := newActor("thief", principal, config)
	t.step(a.name, a.principal, "looks at the copy of the row", func() (string, error) {
		return fmt.Sprintf("a token, and %d bytes of ciphertext under a data key that only KMS unwraps", of.envelope.Size), nil
	})
	t.step(a.name, a.principal, "asks KMS for the data key, from an account of their own",
		func() (string, error) { return a.decrypt(t.ctx, of.envelope) })
}

// DeveloperSees tries to read each table as the application developer.
func (l *Lab) DeveloperSees(ctx context.Context, tables []string) ([]Step, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, err := l.developer()
	if err != nil {
		return nil, err
	}
	t := &trial{Lab: l, ctx: ctx}
	for _, table := range tables {
		t.step(a.name, a.principal, "reads "+table, func() (string, error) {
			_, err := a.tables.Scan(ctx, &dynamodb.ScanInput{TableName: &table, Limit: new(int32(1))})
			return "may read it", err
		})
	}
	return t.steps, t.err
}

// developer acts as somebody of the application team with every permission, within the deployers' boundary.
func (l *Lab) developer() (actor, error) {
	return l.person("application developer", "role/application-developer", "/tokenizer-deployers")
}

func (l *Lab) team() (actor, error) { return l.person("security team", "role/security-team", "") }

func (l *Lab) person(name, principal, boundary string) (actor, error) {
	arn := "arn:aws:iam::" + l.system.Outputs["AccountId"] + ":" + principal
	config, err := l.system.ActAsPrincipal(arn, boundary)
	return newActor(name, arn, config), err
}

// goAround reads the row and asks KMS for its data key, without the extension.
func (t *trial) goAround(a actor, of target) {
	t.step(a.name, a.principal, "reads the vault's row with a call of its own",
		func() (string, error) { return a.getRow(t.ctx, t.key(of.token)) })
	t.step(a.name, a.principal, "asks KMS for the row's data key",
		func() (string, error) { return a.decrypt(t.ctx, of.envelope) })
}

const asksForCard = "asks its extension for the card"

// detokenize asks the extension of a function. A card that it gives is shown masked.
func (t *trial) detokenize(did, who, function, token string, binding map[string]string,
	redaction client.Redaction) bool {
	role, err := t.system.RoleOf(function)
	if t.err = firstError(t.err, err); t.err != nil {
		return false
	}
	return t.step(who, role, did, func() (string, error) {
		x, err := t.tokenizer(t.ctx, function)
		if err != nil {
			return "", err
		}
		out, err := x.Detokenize(t.ctx, client.DetokenizeInput{
			Token: token, Context: binding, Redaction: redaction, Reason: "the local page",
		})
		if err != nil {
			return "", err
		}
		if redaction == client.Masked {
			return "the masked card: " + mask.Cards(out.Data.Reveal()), nil
		}
		pan, err := client.ParsePAN(out.Data)
		if err != nil {
			return "", err
		}
		const got = "all %d digits, of which this page shows the last four: %s"
		return fmt.Sprintf(got, len(pan.Reveal()), pan.Mask()), nil
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
