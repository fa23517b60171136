"""Output for continuous integration servers: JUnit XML, and the workflow commands of GitHub Actions."""
