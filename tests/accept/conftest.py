"""Lends these tests the fixtures of the acceptance suite that runs them (ACC_MORE names this folder)."""
import importlib.util, os
import harness

_spec = importlib.util.spec_from_file_location('suite_conftest', os.path.join(os.path.dirname(harness.__file__), 'conftest.py'))
_suite = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_suite)
globals().update({n: v for n, v in vars(_suite).items() if not n.startswith('_')})
