package figures

import (
	"fmt"
	"slices"
)

// All is the list.
func All() []Figure {
	return slices.Concat(latency(), cpu(), start(), calls(), development())
}

// Clients are the numbers of clients at a time, each with the targets of both operations.
var Clients = []struct {
	N                    int
	Tokenize, Detokenize float64
}{{1, 1.10, 1.08}, {8, 1.15, 1.12}, {64, 2.0, 1.6}}

// Saturating is a number of clients that more than keeps the cores of a small machine busy. What they measure is not
// compared between runs, since it changes with everything else that the machine does.
const Saturating = 16

func comparedWith(clients int) Compare {
	if clients > Saturating {
		return Nothing
	}
	return ByRatio
}

const upstreams = "KMS takes 6 ms to answer, and DynamoDB 4 ms. "

func latency() (list []Figure) {
	for _, c := range Clients {
		list = append(list, Figure{
			ID: fmt.Sprintf("tokenize-p50-%d", c.N), Section: Latency, Name: "tokenize, median, " + clients(c.N),
			Unit: "ms", Digits: 2,
			Floor: "a bare PutItem by the SDK", Target: atMostTimes(c.Tokenize), Compare: comparedWith(c.N),
			Group: Loaded,
			How: upstreams +
				"Slices of tokenizes take turns with slices of bare puts of a row of the same shape. The ratio compares neighbouring slices.",
			Limits: "The put itself, because the extension answers when the row is stored. With 64 clients, the two cores that the extension, " +
				"the load and the fakes share.",
		})
	}
	list = append(list, Figure{
		ID: "tokenize-p99-8", Section: Latency, Name: "tokenize, 99th percentile, 8 clients", Unit: "ms", Digits: 2,
		Floor: "a bare PutItem by the SDK", Target: atMostTimes(1.25), Group: Loaded,
		How:    upstreams + "The 99th percentile of each slice of the medians above.",
		Limits: "Calls of KMS that a tokenize has to wait for, garbage collection, and other programs on the machine. Runs are not compared by this figure.",
	})
	for _, c := range Clients {
		list = append(list, Figure{
			ID:      fmt.Sprintf("detokenize-p50-%d", c.N),
			Section: Latency,
			Name:    "detokenize, median, " + clients(c.N),
			Unit:    "ms",
			Digits:  2,
			Floor:   "GetItem, then Decrypt, by the SDK",
			Target:  atMostTimes(c.Detokenize),
			Compare: comparedWith(c.N),
			Group:   Loaded,
			How: upstreams +
				"The extension reads the row and its tombstone at the same time, so both reads count as one. " +
				"Decrypt needs the row, so it comes after them.",
			Limits: "Two round trips, one after the other.",
		})
	}
	list = append(list, batches()...)
	return append(list,
		Figure{
			ID: "first-tokenize", Section: Latency, Name: "first tokenize after the start", Unit: "ms", Digits: 2,
			Floor: "a warm PutItem by the SDK", Target: atMostTimes(1.5), Compare: ByRatio, Group: Starts,
			How: upstreams + "Lambda starts the function when the extension has registered. The smallest Go program " +
				"is started at that moment in the " +
				"function's place, and the request is sent when it runs, on a new connection.",
			Limits: "KMS's answer. The extension asks for the first data key before it registers. A program that " +
				"starts faster than KMS answers " +
				"still waits for the rest. Registering later would not help: the function would start later, too.",
		},
		Figure{
			ID: "first-tokenize-10ms", Section: Latency, Name: "the same, 10 ms after the registration", Unit: "ms",
			Digits: 2,
			Floor:  "a warm PutItem by the SDK", Target: atMostTimes(1.5), Compare: ByRatio, Group: Starts,
			How: upstreams +
				"The request comes 10 ms later, as from a function whose runtime takes 10 ms to start. The runtimes of Node and Python take longer.",
			Limits: "It is the first put, and the function opens a new connection. The connection to DynamoDB is open already.",
		},
		Figure{
			ID: "first-tokenize-at-once", Section: Latency, Name: "the same, sent at the moment of registration",
			Unit: "ms", Digits: 2,
			Floor: "a warm PutItem by the SDK", Group: Starts,
			How:    "The request comes at the moment of registration. No function is that fast, so this shows how much the extension has left to do then.",
			Limits: "The first call of KMS.",
		})
}

// batches are the figures of a batch of 100 tokenizes.
func batches() []Figure {
	const turns = upstreams + "Batches take turns with the same tokenizes as single requests."
	return []Figure{
		{
			ID: "batch-one-client", Section: Latency, Name: "a batch of 100 tokenizes", Unit: "ms", Digits: 2,
			Group: Batches,
			Floor: "100 tokenizes, one after the other, on one connection", Target: atMostTimes(0.2), Compare: ByRatio,
			How:    turns,
			Limits: "The extension carries out 16 items of a batch at a time.",
		},
		{
			ID: "batch-16-clients", Section: Latency, Name: "the same, against 16 clients", Unit: "ms", Digits: 2,
			Group: Batches,
			Floor: "100 tokenizes by 16 clients at a time", Target: atMostTimes(1.1), Compare: ByRatio, How: turns,
			Limits: "As many puts are under way either way. What a batch saves is HTTP on the loopback network.",
		},
	}
}

func clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

func cpu() []Figure {
	const busy = "16 clients, and services that answer at once. "
	const read = "CPU time of all threads, from /proc/PID/task/*/schedstat, over slices that take turns."
	return []Figure{
		{
			ID: "cpu-tokenize", Section: CPU, Name: "CPU of the extension for one tokenize", Unit: "µs", Digits: 0,
			Floor:  "CPU of a refused request",
			Target: atMost(250), Compare: ByRatio, Group: Busy,
			How: busy + read +
				" The refused request has an empty `data`, so it costs what every request costs before any work is done.",
			Limits: "HTTP to the function, one call of KMS and one of DynamoDB, each signed, with its JSON.",
		},
		{
			ID: "cpu-tokenize-sdk", Section: CPU, Name: "the same against the SDK's put", Unit: "µs", Digits: 0,
			Floor:   "CPU of one PutItem by the SDK",
			Compare: ByRatio, Group: Busy,
			How:    busy + "The SDK's puts run in a process of their own, measured in the same way.",
			Limits: "The same. A ratio below 1 would mean that a tokenize costs less CPU than a put by the SDK in the function.",
		},
		{
			ID:      "cpu-detokenize",
			Section: CPU,
			Name:    "CPU of the extension for one detokenize",
			Unit:    "µs",
			Digits:  0,
			Floor:   "CPU of a refused request",
			Compare: ByRatio, Group: Busy, How: busy + read, Limits: "Two calls of DynamoDB and one of KMS.",
		},
		{
			ID: "rate-tokenize", Section: CPU, Name: "tokenizes per second", Unit: "1/s", Digits: 0,
			Floor:  "refused requests per second",
			Target: atLeast(4000), Compare: ByRateRatio, Group: Busy,
			How:    busy + "Counted in the same slices as the CPU.",
			Limits: "The machine's cores, which the load and the fakes use too: on two cores the extension has about one.",
		},
		{
			ID:      "loopback",
			Section: CPU,
			Name:    "GET /ping",
			Unit:    "µs",
			Digits:  0,
			Floor:   "an empty handler of net/http in another process",
			Compare: ByRatio, Group: Loopback, How: "One client on a connection that stays open. Median of each slice.",
			Limits: "Two trips through the kernel's loopback network, and net/http.",
		},
		{
			ID: "client", Section: CPU, Name: "tokenize by the Go client", Unit: "µs", Digits: 0,
			Floor:   "the same as raw bytes on a socket",
			Compare: ByRatio, Group: Loopback,
			How:    "One client, and services that answer at once. The difference is the cost of package client.",
			Limits: "The HTTP client of net/http, and JSON.",
		},
		{
			ID: "seal", Section: CPU, Name: "seal an envelope", Unit: "µs", Digits: 1, Group: GoBench,
			How:    "`go test -bench` in tokenizerlayer/internal/envelope of this tree, in a process of its own. The data key exists already.",
			Limits: "Key derivation, and AES-GCM.",
		},
		{
			ID: "open", Section: CPU, Name: "open an envelope", Unit: "µs", Digits: 1, Group: GoBench,
			How:    "`go test -bench` in tokenizerlayer/internal/envelope of this tree, in a process of its own. The data key exists already.",
			Limits: "The same. The whole envelope is verified before any of it is released.",
		},
	}
}

func start() []Figure {
	return []Figure{
		{
			ID:      "start-register",
			Section: Start,
			Name:    "start of the process to its registration",
			Unit:    "ms",
			Digits:  1,
			Floor:   "a bare Go extension",
			Target:  atMostTimes(1.5),
			Compare: ByRatio,
			Group:   Starts,
			How:     "The programs are started one after the other, in turns.",
			Limits:  "The kernel's exec, Go's runtime, the initialization of packages, and one request to Lambda.",
		},
		{
			ID:      "rss-start",
			Section: Start,
			Name:    "resident memory after the start",
			Unit:    "MiB",
			Digits:  1,
			Floor:   "a bare Go extension",
			Target:  atMost(10.5),
			Compare: ByRatio,
			Group:   Starts,
			How:     "VmRSS in /proc/PID/status, 60 ms after registration.",
			Limits:  "The pages of the binary that were touched, and Go's heap.",
		},
		{
			ID: "rss-5000", Section: Start, Name: "resident memory after 5,000 operations", Unit: "MiB", Digits: 1,
			Floor:  "a bare Go extension after its start",
			Target: atMost(16), Compare: ByRatio, Group: Memory,
			How:    "2,500 tokenizes and 2,500 detokenizes by 8 clients, while the services answer at once.",
			Limits: "Go's garbage collector lets a heap grow to 4 MB before it first runs.",
		},
		{
			ID: "rss-million", Section: Start, Name: "resident memory after 1,000,000 operations", Unit: "MiB",
			Digits: 1, Floor: "the same process after 5,000",
			Compare: ByRatio, Group: Million, How: "500,000 tokenizes and 500,000 detokenizes by 16 clients.",
			Limits: "A leak would show as a ratio well above 1.",
		},
		{
			ID: "rss-import", Section: Start, Name: "peak of resident memory, 50,001st to 100,000th item of batches",
			Unit: "MiB", Digits: 1,
			Floor: "the peak up to the 50,000th", Target: atMostTimes(1.1), Compare: ByRatio, Group: Import,
			How:    "1,000 batches of 100 tokenizes by 4 clients. VmRSS after every 2,000 items.",
			Limits: "A leak would show as a ratio well above 1.",
		},
		{
			ID: "size", Section: Start, Name: "size of the binary", Unit: "MB", Digits: 1, Floor: "a bare Go extension",
			Target: atMost(10.0), Compare: ByValue, Group: Size,
			How:    "Stripped, for Linux on amd64, as the layer is built.",
			Limits: "Go's runtime and net/http, which are most of the bare extension, and the packages that this extension imports.",
		},
		{
			ID: "order-cold", Section: Start, Name: "POST /order, cold", Unit: "ms", Digits: 1, Group: Order,
			How: "`local` runs the synthesized example application. This is the first order of a new environment, through gateway, function, extension, " +
				"and fakes of the services that answer at once.",
			Limits: "The start of two Go programs, one after the other. On Lambda the environment's own start comes " +
				"on top.",
		},
		{
			ID: "order-cold-layer", Section: Start, Name: "the layer's part in a cold start", Unit: "ms", Digits: 1,
			Floor:   "the same function without the layer",
			Compare: ByRatio, Group: Order,
			How:    "The first request of a new environment, which the function refuses before it would use the layer.",
			Limits: "The time from the extension's start to its registration.",
		},
		{
			ID: "order-warm", Section: Start, Name: "POST /order, warm", Unit: "ms", Digits: 1, Group: Order,
			How:    "The orders after the first.",
			Limits: "The local gateway, which evaluates policies, more than the extension.",
		},
	}
}

// Operations are those whose calls are counted.
var Operations = []struct{ ID, Name string }{
	{"tokenize", "tokenize"}, {"detokenize", "detokenize"}, {"detokenize-once", "detokenize of a token for one use"},
	{"deterministic", "deterministic tokenize, the first time"},
	{"deterministic-again", "deterministic tokenize, again"}, {"revoke", "revoke"},
}

func calls() []Figure {
	list := []Figure{
		{
			ID: "kms-wait", Section: Calls, Name: "share of warm tokenizes that wait for KMS", Unit: "", Digits: 2,
			Target: atMost(0), Compare: ByValue, Group: Waits,
			How: "The fake of KMS holds back every answer to GenerateDataKey, and one tokenize is sent. If it ends before KMS answers, it has not waited. " +
				"If it has not ended after 300 ms, it counts as waiting.",
			Limits: "Whether a data key was fetched ahead: 0 means that one always was, 1 that every tokenize waits for its own.",
		},
		{
			ID: "kms-ahead", Section: Calls, Name: "tokenizes while KMS is silent", Unit: "", Digits: 0, Group: Waits,
			How: "The fake of KMS holds back its data keys, and tokenizes are sent one after the other until one waits, at most 64.", Limits: "The number of data keys that are kept ready.",
		},
		{
			ID:      "kms-steady",
			Section: Calls,
			Name:    "GenerateDataKey calls for 1,000 tokens under steady load",
			Unit:    "",
			Digits:  0,
			Target:  atMost(1010),
			Compare: ByValue,
			Group:   Waits,
			How:     upstreams + "8 clients, after a warm-up. Counted by the fake.",
			Limits:  "A data key is used for one token only, so 1,000 is the least.",
		},
	}
	for _, o := range Operations {
		const counted = "Counted by the fake over at least 200 operations, the services answer at once."
		list = append(list,
			Figure{
				ID: "kms-" + o.ID, Section: Calls, Name: o.Name + ": calls of KMS", Unit: "per 1,000", Digits: 0,
				Compare: ByValue, Group: Units, How: counted,
				Limits: "The calls that the operation needs, which docs/api.md lists.",
			},
			Figure{
				ID:      "wru-" + o.ID,
				Section: Calls,
				Name:    o.Name + ": write units",
				Unit:    "per 1,000",
				Digits:  0,
				Compare: ByValue,
				Group:   Units,
				How: "Computed from the sizes of the items that arrive: one unit for each 1 KB of an item, two " +
					"in a transaction.",
				Limits: "Each row is written once. A transaction costs twice.",
			},
			Figure{
				ID: "rru-" + o.ID, Section: Calls, Name: o.Name + ": read units", Unit: "per 1,000", Digits: 0,
				Compare: ByValue, Group: Units,
				How:    "Computed in the same way: one unit for each 4 KB of a consistent read, also if the item does not exist.",
				Limits: "Reads that decide something have to be consistent.",
			},
			Figure{
				ID: "cost-" + o.ID, Section: Calls, Name: o.Name + ": cost", Unit: "USD per million", Digits: 3,
				Group:  Units,
				How:    "Computed from the rows above and the list prices below.",
				Limits: "KMS, because one call costs about as much as five writes.",
			})
	}
	return list
}

// Runtime is a runtime whose function is invoked in the local run.
type Runtime struct {
	ID   string
	Name string // also of the function
	AWS  string // Lambda's name
}

// Runtimes are all that the local run has.
var Runtimes = []Runtime{
	{"go", "Go", "provided.al2023"}, {"python", "Python", "python3.13"}, {"node", "Node", "nodejs22.x"},
}

// invocations are the figures of functions in the local run. They have no targets: nothing follows from their floors
// about how much more an invocation has to cost, and a person who waits for one notices a second and not the
// milliseconds in which they differ. The comparison with the committed run finds what has become slow.
func invocations() (list []Figure) {
	const app = "`go run ./local -app DIR -serve` runs a small app, whose functions swap a card number for a token. " +
		"They are invoked through Lambda's Invoke API. "
	for _, r := range Runtimes {
		list = append(list, Figure{
			ID: "invoke-cold-" + r.ID, Section: Development, Name: "local run: first invocation, " + r.Name, Unit: "ms",
			Digits: 1, Floor: "a bare Go extension, and then an empty program in the same language",
			Compare: ByRatio, Group: Invoke,
			How: app + "The local run has just started, so the first invocation starts the extension, and then the runtime " +
				"with the handler. Each turn starts the local run anew.",
			Limits: "The language's own start, the modules that the local run's bootstrap and the layer's client import, and " +
				"the first data key. Floor and figure depend on the release of Python or Node.",
		})
	}
	for _, r := range Runtimes {
		list = append(list, Figure{
			ID: "invoke-warm-" + r.ID, Section: Development, Name: "local run: warm invocation, median, " + r.Name,
			Unit: "ms", Digits: 2, Floor: "a tokenize by the extension without a function",
			Compare: ByRatio, Group: Invoke,
			How: app + "One client on a connection that stays open, after the first invocation. The services answer at once: " +
				"those of the local run, and the fakes that the floor's extension calls.",
			Limits: "The requests around the tokenize: of the Invoke API, of Lambda's Runtime API for the event and the " +
				"answer, and to the services through the local run, which decides about each by the app's policies.",
		})
	}
	return list
}

func development() []Figure {
	return append(invocations(),
		Figure{
			ID: "synth", Section: Development, Name: "cdk synth", Unit: "s", Digits: 1, Group: Work,
			How:    "One run of `npx cdk synth --quiet`, with warm caches of the compiler.",
			Limits: "The CDK runs in Node, and the layer is compiled for two architectures.",
		},
		Figure{
			ID: "tests", Section: Development, Name: "go test ./...", Unit: "s", Digits: 0, Group: Work,
			How:    "One run, with `-count=1`.",
			Limits: "The tests that synthesize the app.",
		})
}
