"""
Mutation testing: whether a test fails when a line of the core is changed.

    tox -e mutation                                     the core: some hours
    tox -e mutation -- jti_replay/reservation           a package, or a module
    tox -e mutation -- --sample 100 jti_replay/tokens   some mutants, picked at random

Each mutant is tried with the tests that run its line, until one of them fails. One that lives
is reported, unless ``survivors.txt`` has it with the reason why it may.

The tools that there are do not fit: cosmic-ray runs all tests for each mutant, which takes days
with real servers, mutmut wraps each function, which tests of async functions and of signatures
notice, and neither changes SQL or Lua.
"""
