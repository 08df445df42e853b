package report

const introduction = `# Who can read

This page lists everybody whom the templates allow to read the cards behind tokens, to put other data behind tokens,
to try card numbers, to end tokens or bring them back, or to change any of this. A command computes the page from the
templates in their default configuration (` + "`prod`" + `), and a test fails if the page does not match them. So the
diff of this page shows what a change does to access:

` + "```bash" + `
go run ./local/whocanread -write
` + "```" + `

![Data flow: who sends what to whom, and what is in PCI scope](images/data-flow.svg)

How to read it:

- A role, key, table or function has the path of its construct in the app. Other principals have the name that the
  policy gives them.
- A condition is shown as the template has it. ` + "`Null KEY = true`" + ` means that the request does not have the
  key. A ` + "`ForAllValues:`" + ` condition must hold for each value that the request has. ACCOUNT and REGION are
  those of the stacks. Other account ids are shown.
- A line means that at least one request is allowed. The policies of the role and of the key or table were tried with
  all requests that they can tell apart.
- [permissions.md](permissions.md) has every statement of every policy, with its reason.

The page does not show:

- What a function does with the cards that it may read. A function that returns cards in its answers gives them to
  everybody who can call it, and every function sees the cards that it is sent.
- Deployers. Whoever can change the templates, the code of a function or its layer can do what the function's role
  can. So can whoever may pass that role to another function.
- Administrators. Whoever can change IAM policies can give themselves what the keys and tables leave to IAM. Whoever
  can change the policy of a key can give themselves the rest.
- What exists outside of the templates: KMS grants, other roles and policies, and policies of the organization.
  Policies of VPC endpoints are left out because they only restrict.
- Copies: backups, and rows that somebody has kept.
`

const roomIntroduction = `This table shows whom IAM could allow an action later, with a policy that is not in these
templates. Whoever is not listed for an action cannot get it without a change of the policy of that key or table.
Actions that only describe a key or a table are left out, and so are the application's own tables. A service makes a
call "through an AWS service" for the principal, as DynamoDB does for whoever reads a table.`
