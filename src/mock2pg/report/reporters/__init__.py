"""What a continuous integration server reads: JUnit XML, and the workflow commands of GitHub Actions."""
