"""The services of casestream, one package each; none imports another (the command line in `services.cli` stands above them)."""
