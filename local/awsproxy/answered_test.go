package awsproxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

func TestAnswered_IsToldOfEveryCallWithItsStatus(t *testing.T) {
	type answer struct {
		Principal, Operation string
		Status               int
	}
	answers := make(chan answer, 10)
	proxyURL := startProxy(t, awsproxy.Config{
		Authorize: func(_ context.Context, call awsproxy.Call) error {
			if call.Operation == "DescribeKey" {
				return awsjson.Errorf("AccessDeniedException", "no")
			}
			return nil
		},
		Answered: func(call awsproxy.Call, status int, took time.Duration) {
			if call.ID == "" || took <= 0 {
				t.Errorf("call %q took %v", call.ID, took)
			}
			answers <- answer{call.Principal, call.Operation, status}
		},
	})
	order, stranger := kmsClient(proxyURL, "AKIDORDER", "order-session"), kmsClient(proxyURL, "AKIDX", "x")
	for _, tt := range []struct {
		call func() error
		want answer
	}{
		{func() error {
			_, err := order.CreateKey(t.Context(), &kms.CreateKeyInput{})
			return err
		}, answer{orderARN, "CreateKey", 200}},
		{func() error {
			_, err := order.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/x")})
			return err
		}, answer{orderARN, "DescribeKey", 400}},
		{func() error {
			_, err := stranger.CreateKey(t.Context(), &kms.CreateKeyInput{})
			return err
		}, answer{"", "CreateKey", 403}},
	} {
		if err := tt.call(); (err == nil) != (tt.want.Status == 200) {
			t.Errorf("%v: error = %v", tt.want, err)
		}
		if diff := cmp.Diff(tt.want, <-answers); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	}
}
