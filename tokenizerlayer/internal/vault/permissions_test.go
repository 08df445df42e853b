package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The policies that the attacks in roles_test.go run with are those of docs/permissions.md, which a test in test/ holds
// equal to the templates, statement by statement and in both directions. So no template has to be synthesized here.

// permission is one row of docs/permissions.md: a statement of a policy.
type permission struct {
	who        string
	never      bool // Deny
	actions    []string
	on         []string                       // names of tables and keys, or "every resource"
	conditions map[string]map[string][]string // values by operator and key
}

// permissions are the rows of a table of docs/permissions.md.
type permissions []permission

func (p permissions) of(match func(permission) bool) (found permissions) {
	for _, row := range p {
		if match(row) {
			found = append(found, row)
		}
	}
	return found
}

// documented are docs/permissions.md's tables: those of roles, and that of the keys' policies.
var documented = sync.OnceValues(func() (tables struct{ roles, keys permissions }, err error) {
	document, err := os.ReadFile("../../../docs/permissions.md")
	if err != nil {
		return tables, err
	}
	administration, err := tableRows(string(document), "Administration")
	if err != nil {
		return tables, err
	}
	var administer []string
	for _, row := range administration {
		administer = append(administer, row[0])
	}
	var errs [3]error
	var grants permissions
	tables.roles, errs[0] = readPermissions(string(document), "Functions", administer)
	grants, errs[1] = readPermissions(string(document), "Grants", administer)
	tables.keys, errs[2] = readPermissions(string(document), "Keys", administer)
	tables.roles = append(tables.roles, grants...)
	return tables, errors.Join(errs[:]...)
})

// tableRows are the cells of the table below a heading, without their back quotes.
func tableRows(document, heading string) (rows [][]string, err error) {
	_, section, found := strings.Cut(document, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		rows = append(rows, cells)
	}
	if !found || len(rows) < 2 {
		return nil, fmt.Errorf("docs/permissions.md has no table %q", heading)
	}
	return rows[1:], nil
}

// readPermissions reads the table below a heading. A row that it does not understand is an error: a permission that is
// not there would make an attack fail for the wrong reason.
func readPermissions(document, heading string, administration []string) (all permissions, err error) {
	rows, err := tableRows(document, heading)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for who := range strings.SplitSeq(row[0], ", ") {
			p, err := readPermission(who, row, administration)
			if err != nil {
				return nil, fmt.Errorf("docs/permissions.md, %s, %q: %w", heading, row, err)
			}
			all = append(all, p)
		}
	}
	return all, nil
}

var (
	actionForm    = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z]+$`)
	deniedForm    = regexp.MustCompile(`^[a-z0-9-]+:([A-Za-z]+|\*)$`)
	operatorForm  = regexp.MustCompile(`^(ForAllValues:)?[A-Z][A-Za-z]+$`)
	conditionForm = regexp.MustCompile(`^[a-z]+:[A-Za-z:_]+$`)
	nameForm      = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	principalForm = regexp.MustCompile(`^([A-Z][A-Za-z0-9]*|account|everybody|[a-z0-9-]+(\.REGION)?\.amazonaws\.com)$`)
)

// readPermission reads what a row says about one of its principals.
func readPermission(who string, row, administration []string) (p permission, err error) {
	if len(row) != 5 {
		return p, errors.New("want five cells")
	}
	p.who, p.on = who, strings.Split(row[2], ", ")
	if !principalForm.MatchString(p.who) {
		return p, errors.New("unknown kind of principal")
	}
	if row[2] != "every resource" &&
		slices.ContainsFunc(p.on, func(name string) bool { return !nameForm.MatchString(name) }) {
		return p, errors.New("unknown kind of resource")
	}
	may, never := strings.CutPrefix(row[1], "never ")
	p.never, p.actions = never, strings.Split(may, ", ")
	if may == "administration" {
		p.actions = administration
	}
	form := actionForm
	if never {
		form = deniedForm
	}
	if slices.ContainsFunc(p.actions, func(action string) bool { return !form.MatchString(action) }) {
		return p, errors.New("unknown kind of action")
	}
	p.conditions, err = readConditions(row[3])
	return p, err
}

// readConditions reads the column "only if": OPERATOR=KEY=VALUE, VALUE KEY=VALUE OPERATOR=KEY=VALUE, or "always". A key
// without an operator has that of the key before it.
func readConditions(cell string) (map[string]map[string][]string, error) {
	all := map[string]map[string][]string{}
	if cell == "always" {
		return all, nil
	}
	var operator, key string
	more := false // the last value ended in a comma
	for word := range strings.FieldsSeq(cell) {
		if !more {
			parts := strings.SplitN(word, "=", 3)
			if len(parts) == 3 {
				operator, parts = parts[0], parts[1:]
				if all[operator] == nil {
					all[operator] = map[string][]string{}
				}
			}
			if len(parts) != 2 || !operatorForm.MatchString(operator) || !conditionForm.MatchString(parts[0]) ||
				all[operator][parts[0]] != nil {
				return nil, fmt.Errorf("the condition at %q is not understood", word)
			}
			key, word = parts[0], parts[1]
		}
		var value string
		value, more = strings.CutSuffix(word, ",")
		if value == "" || strings.ContainsAny(value, "=,") {
			return nil, fmt.Errorf("the value at %q is not understood", word)
		}
		all[operator][key] = append(all[operator][key], value)
	}
	if more || len(all) == 0 {
		return nil, errors.New("the conditions are not complete")
	}
	return all, nil
}

// resolver says what the names in docs/permissions.md stand for.
type resolver struct {
	arns   map[string][]string // of tables, keys and log groups
	values map[string]string   // what conditions call them
}

// statement is a permission as a statement of a policy.
type statement struct {
	Effect    string
	Principal any `json:",omitempty"`
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string
}

// policyOf makes a policy of permissions. That of a key names principals, and has no resource but the key itself.
func (r resolver) policyOf(rows permissions, ofKey bool) (document any, err error) {
	var statements []statement
	for _, row := range rows {
		s := statement{Effect: "Allow", Action: row.actions, Condition: map[string]map[string][]string{}}
		if row.never {
			s.Effect = "Deny"
		}
		if s.Resource, err = r.resources(row.on); err != nil {
			return nil, err
		}
		if ofKey {
			s.Principal, s.Resource = principal(row.who), []string{"*"}
		}
		for operator, keys := range row.conditions {
			s.Condition[operator] = map[string][]string{}
			for key, values := range keys {
				for _, value := range values {
					s.Condition[operator][key] = append(s.Condition[operator][key], r.value(value))
				}
			}
		}
		statements = append(statements, s)
	}
	encoded, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		return nil, err
	}
	return document, json.Unmarshal(encoded, &document)
}

func (r resolver) resources(names []string) (arns []string, err error) {
	for _, name := range names {
		if name == "every resource" {
			return []string{"*"}, nil
		}
		if r.arns[name] == nil {
			return nil, fmt.Errorf("docs/permissions.md names %s, which nothing here is called", name)
		}
		arns = append(arns, r.arns[name]...)
	}
	return arns, nil
}

func (r resolver) value(value string) string {
	if resolved, ok := r.values[value]; ok {
		return resolved
	}
	return strings.NewReplacer("ACCOUNT", account, "REGION", region).Replace(value)
}

func principal(who string) any {
	switch {
	case who == "everybody":
		return map[string]string{"AWS": "*"}
	case who == "account":
		return map[string]string{"AWS": "arn:aws:iam::" + account + ":root"}
	}
	return map[string]string{"Service": strings.Replace(who, "REGION", region, 1)}
}

func TestPermissionTables_AreReadAsTheyAreWritten(t *testing.T) {
	const head = "\n## Grants\n\n| who | may | on | only if | why |\n|---|---|---|---|---|\n"
	read := func(row string) (permissions, error) {
		return readPermissions(head+"| "+row+" | w |\n\n## More\n", "Grants", []string{"kms:DescribeKey"})
	}
	got, err := read(
		"`R` | `never kms:Decrypt, kms:Encrypt` | `A, B` | `Null=kms:ViaService=true StringEquals=kms:CallerAccount=x, y kms:ViaService=z`")
	if err != nil || len(got) != 1 {
		t.Fatal(err)
	}
	want :=
		`{R true [kms:Decrypt kms:Encrypt] [A B] map[Null:map[kms:ViaService:[true]] StringEquals:map[kms:CallerAccount:[x y] kms:ViaService:[z]]]}`
	if fmt.Sprint(got[0]) != want {
		t.Errorf("got  %v\nwant %s", got[0], want)
	}
	if got, err := read("`R, S` | `never kms:*` | `A` | always"); err != nil || len(got) != 2 || got[1].who != "S" ||
		!got[1].never || !slices.Equal(got[1].actions, []string{"kms:*"}) {
		t.Errorf("two principals: %v, %v", got, err)
	}
	if got, err := read("`account` | `administration` | `every resource` | always"); err != nil ||
		!slices.Equal(got[0].actions, []string{"kms:DescribeKey"}) || len(got[0].conditions) != 0 {
		t.Errorf("administration: %v, %v", got, err)
	}
	for name, row := range map[string]string{
		"too few cells":          "`R` | `kms:Decrypt` | `A`",
		"an unknown principal":   "`the moon` | `kms:Decrypt` | `A` | always",
		"an action of two words": "`R` | `kms:Decrypt unless asleep` | `A` | always",
		"a wildcard action":      "`R` | `kms:*` | `A` | always",
		"a resource in words":    "`R` | `kms:Decrypt` | `A and B` | always",
		"a condition in words":   "`R` | `kms:Decrypt` | `A` | on Sundays",
		"no condition":           "`R` | `kms:Decrypt` | `A` |  ",
		"a key without operator": "`R` | `kms:Decrypt` | `A` | `kms:ViaService=x`",
		"a key twice":            "`R` | `kms:Decrypt` | `A` | `StringEquals=kms:ViaService=x kms:ViaService=y`",
		"an open list":           "`R` | `kms:Decrypt` | `A` | `StringEquals=kms:ViaService=x,`",
		"a value in two parts":   "`R` | `kms:Decrypt` | `A` | `StringEquals=kms:ViaService=x y`",
		"no value":               "`R` | `kms:Decrypt` | `A` | `StringEquals=kms:ViaService=`",
		"a list without a space": "`R` | `kms:Decrypt` | `A` | `StringEquals=kms:ViaService=x,y`",
	} {
		if got, err := read(row); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
	names := resolver{arns: map[string][]string{"A": {"arn"}}}
	for _, on := range []string{"A", "B"} {
		_, err := names.policyOf(permissions{{who: "R", actions: []string{"kms:Decrypt"}, on: []string{on}}}, false)
		if (err == nil) != (on == "A") {
			t.Errorf("%s: %v", on, err)
		}
	}
}

// Every principal that the tables name is attacked with, or could be: a new one needs a place in the attacks.
func TestPermissionTables_NameNoRoleThatIsNotAttackedWith(t *testing.T) {
	tables, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, row := range tables.roles {
		named[row.who] = true
	}
	var attacking []string
	for _, grants := range attackers {
		attacking = append(attacking, grants.grants...)
	}
	slices.Sort(attacking)
	if got, want := slices.Sorted(maps.Keys(named)), slices.Compact(attacking); !slices.Equal(got, want) {
		t.Errorf("docs/permissions.md names the roles %v, want %v", got, want)
	}
}
