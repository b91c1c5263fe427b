"""
Mutation testing: whether a test fails when a line of the core is changed.

    tox -e mutation                                     the core: some hours
    tox -e mutation -- jti_replay/reservation           a package, or a module
    tox -e mutation -- --sample 100 jti_replay/tokens   some mutants, picked at random
    tox -e mutation -- --again report.txt               those alone that a report names

The tests run once. Then each mutant is tried in a fork of that process, with the tests that run
its line, until one of them fails. Those of a module's or a class's own code, and those that no
test has noticed, are tried once more in a process of their own, and then with more tests. One
that lives is reported, unless ``survivors.txt`` has it with the reason why it may.

The tools that there are do not fit: cosmic-ray runs all tests for each mutant, which takes days
with real servers, mutmut wraps each function, which tests of async functions and of signatures
notice, and neither changes SQL or Lua.
"""
