# Entry points. Each installs what it needs first (Debian, Ubuntu; as root or with sudo).
BUILD := build
MESON_FLAGS ?=

.PHONY: all demo test bench lint clean deps-build deps-demo deps-test deps-bench deps-lint

all: deps-build $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) -Dtests=false $(MESON_FLAGS)

# Starts the local cloud and skr, imports a key, releases it, and shows a denial explained.
demo: all deps-demo
	@deploy/demo/demo.sh $(BUILD)/bin

# Builds and runs every test; ends with "N passed, N failed".
test: deps-test $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dtests=true
	@ninja -C $(BUILD) all tests
	@ci/run_tests.py --build $(BUILD)

# BENCH_FLAGS="--quick", "--json FILE", "--compare OLD.json": bench/run.py --help
bench: all deps-bench
	@bench/run.py --bin $(BUILD)/bin $(BENCH_FLAGS)

lint: deps-lint $(BUILD)/build.ninja
	@ci/lint.sh $(BUILD)

deps-build deps-demo deps-test deps-bench deps-lint: deps-%:
	@ci/deps.sh $*

clean:
	rm -rf $(BUILD) $(wildcard build-*)
