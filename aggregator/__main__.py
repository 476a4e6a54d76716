"""The console command, kept light: every worker process imports this module anew, and must not load the commands,
the database and the web server with it."""


def main() -> None:
    """Run the command line."""
    from aggregator import cli  # see above

    cli.main()


if __name__ == "__main__":
    main()
