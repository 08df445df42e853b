package measure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
)

// order measures the example application, as synthesized from this tree, in the local Lambda host.
func (l *Lab) order(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bench-cdk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	settings, err := synth.HostContext()
	if err != nil {
		return err
	}
	if err := synth.Run(ctx, synth.Options{Dir: l.Root, Out: dir, Context: settings, Log: io.Discard}); err != nil {
		return err
	}
	var cold, layer, warm turns
	for turn := range l.times(3, 8) + 1 {
		times, err := orders(ctx, dir, true, true)
		if err != nil {
			return err
		}
		with, err := orders(ctx, dir, true, false)
		if err != nil {
			return err
		}
		without, err := orders(ctx, dir, false, false)
		if err != nil {
			return err
		}
		if turn == 0 { // the files are read from disk for the first time
			continue
		}
		add(&cold.subject, times[0])
		warm.subject = append(warm.subject, times[1:]...)
		add(&layer.subject, with[0])
		add(&layer.floor, without[0])
	}
	l.put(cold.row("order-cold"), layer.row("order-cold-layer"), warm.row("order-warm"))
	return nil
}

// orders deploys the application, with or without its layer, and returns how long its requests take, in milliseconds: a
// first order and some more, or one request that the function refuses before it would use the layer.
func orders(ctx context.Context, dir string, layer, accepted bool) (times []float64, err error) {
	a, err := assembly.Load(dir)
	if err != nil {
		return nil, err
	}
	if !layer {
		withoutLayers(a)
	}
	system, err := cloud.Deploy(ctx, cloud.Options{Assembly: a, Account: synth.Account, Region: synth.Region})
	if err != nil {
		return nil, err
	}
	defer system.Close()
	w := walkthrough.Walk{
		System: walkthrough.System{
			Cognito:  system.Clients.Cognito,
			DynamoDB: system.Clients.DynamoDB,
			Outputs:  system.Outputs,
			Code:     system.Code,
		},
		Print: progress.New(io.Discard),
	}
	idToken, err := w.SignIn(ctx)
	if err != nil {
		return nil, err
	}
	url := system.Outputs["PaymentMethodApiURL"] + "/order"
	if !accepted {
		taken, err := postOrder(ctx, url, idToken, "order-0", "4111 1111 1111 1111", http.StatusBadRequest)
		return []float64{taken}, err
	}
	for i := range 6 {
		taken, err := postOrder(ctx, url, idToken, fmt.Sprintf("order-%d", i), "Amazon Web Services",
			http.StatusCreated)
		if err != nil {
			return nil, err
		}
		times = append(times, taken)
	}
	return times, nil
}

// withoutLayers takes the layers off the functions.
func withoutLayers(a *assembly.Assembly) {
	for _, stack := range a.Stacks {
		for _, resource := range stack.Template.Resources {
			if resource.Type == "AWS::Lambda::Function" {
				delete(resource.Properties, "Layers")
			}
		}
	}
}

// postOrder posts an order. A customer's name that holds a card number is what the function itself refuses.
func postOrder(ctx context.Context, url, idToken, number, customer string, want int) (float64, error) {
	body := fmt.Sprintf(
		`{"CustomerOrder":%q,"CustomerName":%q,"CreditCard":"4111111111111111","Address":"Las Vegas, USA"}`, number,
		customer)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", idToken)
	req.Header.Set("Content-Type", "application/json")
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	taken := milliseconds(time.Since(start))
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode != want || want != http.StatusCreated && !bytes.Contains(answer, []byte(`"code"`)):
		return 0, fmt.Errorf("POST /order: status %d, want %d from the function: %s", resp.StatusCode, want, answer)
	}
	return taken, nil
}
