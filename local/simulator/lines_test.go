package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
)

func TestServe_PrintsANewOrderNumberEachTime(t *testing.T) {
	numbers := map[string]bool{}
	for range 3 {
		s := secrets{t.TempDir()}
		lines, err := s.lines(&cloud.Cloud{Endpoints: map[string]string{"kms": "http://user:password@127.0.0.1:1"}},
			"token")
		if err != nil {
			t.Fatal(err)
		}
		all := regexp.MustCompile(`"CustomerOrder": "([^"]+)"`).FindAllStringSubmatch(lines, -1)
		if len(all) != 2 || all[0][1] != all[1][1] {
			t.Fatalf("order numbers %v, want the same one twice", all)
		}
		numbers[all[0][1]] = true
		if strings.Contains(lines, "sign-up") || strings.Contains(lines, "user:password") {
			t.Errorf("mail goes elsewhere, or the endpoint's password is printed:\n%s", lines)
		}
	}
	if len(numbers) != 3 {
		t.Errorf("order numbers %v", numbers)
	}
}
