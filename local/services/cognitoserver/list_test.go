package cognitoserver_test

import (
	"fmt"
	"slices"
	"testing"

	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

func TestAdministrator_ListsPoolsAndUsers(t *testing.T) {
	w := newAppWorld(t)
	pools, err := w.ListUserPools(t.Context(), &cognito.ListUserPoolsInput{MaxResults: new(int32(10))})
	if err != nil || len(pools.UserPools) != 1 || *pools.UserPools[0].Id != w.poolID ||
		*pools.UserPools[0].Name != "customers" || !pools.UserPools[0].CreationDate.Equal(w.now) {
		t.Errorf("%+v, %v", pools, err)
	}
	none, err := w.ListUsers(t.Context(), &cognito.ListUsersInput{UserPoolId: &w.poolID})
	if err != nil || none.Users == nil || len(none.Users) > 0 {
		t.Errorf("%+v, %v", none, err)
	}
	w.newUser(email)
	for i := range 4 {
		if _, err := w.signUp(fmt.Sprintf("user%d@example.com", i), password); err != nil {
			t.Fatal(err)
		}
	}
	statuses, sizes := map[types.UserStatusType]int{}, []int{}
	pages := cognito.NewListUsersPaginator(w, &cognito.ListUsersInput{UserPoolId: &w.poolID, Limit: new(int32(2))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			statuses[u.UserStatus]++
		}
		sizes = append(sizes, len(page.Users))
	}
	if statuses["CONFIRMED"] != 1 || statuses["UNCONFIRMED"] != 4 || !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("%v in pages of %v", statuses, sizes)
	}
	one, err := w.AdminGetUser(t.Context(), &cognito.AdminGetUserInput{UserPoolId: &w.poolID, Username: new(email)})
	if err != nil || one.UserStatus != "CONFIRMED" || !one.Enabled || len(one.UserAttributes) != 3 {
		t.Errorf("%+v, %v", one, err)
	}
	_, err = w.AdminGetUser(t.Context(), &cognito.AdminGetUserInput{UserPoolId: &w.poolID, Username: new("x")})
	wantError(t, err, "UserNotFoundException", "")
	_, err = w.ListUsers(t.Context(), &cognito.ListUsersInput{UserPoolId: &w.poolID, Limit: new(int32(61))})
	wantError(t, err, "InvalidParameterException", "at most 60")
	_, err = w.ListUsers(t.Context(), &cognito.ListUsersInput{UserPoolId: &w.poolID, Filter: new(`email = "x"`)})
	wantError(t, err, "InvalidParameterException", "Filter")
	_, err = w.ListUsers(t.Context(), &cognito.ListUsersInput{UserPoolId: new("us-east-1_none")})
	wantError(t, err, "ResourceNotFoundException", "")
}
