package lambdahost

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// variables returns the variables of the function and of the extensions in one environment, as name=value. They are
// those that configuration-envvars.html lists for an OS-only runtime, which has no AWS_EXECUTION_ENV.
// runtimes-extensions-api.html says which of them extensions do not get. api is the address of the environment's
// server.
func (c *Config) variables(api string) (function, extension []string, err error) {
	opt, stream := cmp.Or(c.OptDir, "/opt"), uuid.New()
	vars := map[string]string{ // these are not reserved, so a template may override them
		"LANG":            "en_US.UTF-8",
		"PATH":            "/usr/local/bin:/usr/bin/:/bin:" + opt + "/bin",
		"LD_LIBRARY_PATH": fmt.Sprintf("/lib64:/usr/lib64:%s:%[1]s/lib:%s/lib", c.TaskDir, opt),
	}
	maps.Copy(vars, c.Variables)
	if c.PerEnvironment != nil {
		own, err := c.PerEnvironment()
		if err != nil {
			return nil, nil, fmt.Errorf("variables for a new environment: %w", err)
		}
		maps.Copy(vars, own)
	}
	maps.Copy(vars, map[string]string{
		"AWS_DEFAULT_REGION":              c.Region,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     version,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_REGION":                      c.Region,
		"TZ":                              ":UTC",
	})
	functionOnly := map[string]string{
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME": fmt.Sprintf("%s/[%s]%x", time.Now().UTC().Format("2006/01/02"), version,
			stream[:]),
		"LAMBDA_RUNTIME_DIR": c.TaskDir, // on Lambda /var/runtime, which holds nothing for OS-only runtimes
		"LAMBDA_TASK_ROOT":   c.TaskDir,
		"_HANDLER":           c.Handler,
	}
	for name, value := range vars {
		if _, ok := functionOnly[name]; !ok {
			extension = append(extension, name+"="+value)
		}
	}
	function = slices.Clone(extension)
	for name, value := range functionOnly {
		function = append(function, name+"="+value)
	}
	return function, extension, nil
}
