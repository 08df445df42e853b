package figures

// Published is a figure that somebody published about a product of the field.
type Published struct {
	Who, Figure, Source, Date string
	// Own marks what was measured for this project, on one machine; the others are claims of vendors.
	Own bool
}

// Field is what is known of the field. The figures are of different machines and loads: they show magnitudes.
func Field() []Published {
	return []Published{
		{"HashiCorp Vault Lambda extension",
			"8.5 MB, 8.5 ms init at 128 MB plus a round trip, 12 MB memory, less than 1 ms per invocation",
			"its documentation, \"Performance impact\"", "November 2026", false},
		{"the same", "28.7 ms from start to registration, 10.5 MB, 10.7 MB resident; beside it a bare Go extension " +
			"14.0 ms, 6.2 MB, 6.3 MB, and this project, as it was " +
			"that day, 40.1 ms, 16.7 MB, 14.6 MB", "measured on 2 cores, 30 starts", "2026-11-26", true},
		{
			"Datadog's extension, from Go to Rust", "55 to 7 MB, cold start 82 % less, memory 40 % less",
			"Datadog's engineering blog", "April 2025", false,
		},
		{
			"New Relic's extension, from Go to Rust", "billed duration 40 % less, memory 13 % less",
			"release notes 2.4.0", "November 2026", false,
		},
		{
			"Databunker Pro", "detokenize p50 / p95 / p99 14 / 15 / 16 ms; 5,800 writes a second for an instance",
			"its performance page", "November 2026", false,
		},
		{
			"Piiano Vault", "less than 10 ms on average; 60,000 requests a second in a benchmark",
			"its documentation", "November 2026", false,
		},
		{
			"Protegrity on Lambda", "cold start 400 to 1,200 ms", "Cloud Protect 4.0 documentation",
			"November 2026", false,
		},
		{
			"Basis Theory",
			"995 USD a month with 20,000 tokens, 0.05 USD for each more; tokenize 200 requests in 10 s",
			"price and limit pages", "October 2025", false,
		},
		{
			"AWS Payment Cryptography", "500 requests a second; 2 USD for 10,000 calls", "quota and price pages",
			"November 2026", false,
		},
		{
			"KMS", "100,000 requests a second in three regions, 20,000 in six, 10,000 elsewhere", "AWS's quotas",
			"November 2026", false,
		},
		{"the original walkthrough's layer (Python)", "65 ms a tokenize as written, 6.2 ms used well, where a plain " +
			"put took 2 ms", "measured side by side", "November 2026", true},
	}
}
