package kmsserver_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
)

func TestLists_PageThroughKeysAndAliases(t *testing.T) {
	client := newClient(t)
	none, err := client.ListKeys(t.Context(), &kms.ListKeysInput{})
	if err != nil || none.Keys == nil || len(none.Keys) > 0 || none.Truncated {
		t.Errorf("without keys: %+v, %v", none, err)
	}
	wantKeys, wantAliases := map[string]string{}, map[string]string{}
	for i := range 5 {
		key := createKey(t, client)
		wantKeys[*key.KeyId] = *key.Arn
		alias := fmt.Sprint("alias/", i)
		_, err := client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: key.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		wantAliases[alias] = *key.KeyId
	}
	gotKeys, sizes := map[string]string{}, []int{}
	keys := kms.NewListKeysPaginator(client, &kms.ListKeysInput{Limit: new(int32(2))})
	for keys.HasMorePages() {
		page, err := keys.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page.Keys {
			gotKeys[*k.KeyId] = *k.KeyArn
		}
		sizes = append(sizes, len(page.Keys))
	}
	if diff := cmp.Diff(wantKeys, gotKeys); diff != "" || !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("keys, in pages of %v (-want +got):\n%s", sizes, diff)
	}
	gotAliases := map[string]string{}
	aliases := kms.NewListAliasesPaginator(client, &kms.ListAliasesInput{Limit: new(int32(3))})
	for aliases.HasMorePages() {
		page, err := aliases.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Aliases {
			gotAliases[*a.AliasName] = *a.TargetKeyId
			if want := "arn:aws:kms:us-east-1:123456789012:" + *a.AliasName; *a.AliasArn != want {
				t.Errorf("ARN %s, want %s", *a.AliasArn, want)
			}
		}
	}
	if diff := cmp.Diff(wantAliases, gotAliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	of, err := client.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: new(wantAliases["alias/3"])})
	if err != nil || len(of.Aliases) != 1 || *of.Aliases[0].AliasName != "alias/3" {
		t.Errorf("aliases of one key: %+v, %v", of, err)
	}
	_, err = client.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: new("11111111-2222-3333-4444-555555555555")})
	wantCode(t, err, "NotFoundException")
	_, err = client.ListKeys(t.Context(), &kms.ListKeysInput{Limit: new(int32(1001))})
	wantCode(t, err, "ValidationException")
}

func TestKey_ShowsItsTagsAndPolicies(t *testing.T) {
	client := newClient(t)
	tags := []types.Tag{{TagKey: new("team"), TagValue: new("security")}}
	tagged, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{*tagged.KeyMetadata.KeyId: 1, *createKey(t, client).KeyId: 0} {
		out, err := client.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &id})
		if err != nil || out.Tags == nil || len(out.Tags) != want || want > 0 && *out.Tags[0].TagValue != "security" {
			t.Errorf("%+v, %v", out, err)
		}
		policies, err := client.ListKeyPolicies(t.Context(), &kms.ListKeyPoliciesInput{KeyId: &id})
		if err != nil || !slices.Equal(policies.PolicyNames, []string{"default"}) {
			t.Errorf("%+v, %v", policies, err)
		}
	}
}
