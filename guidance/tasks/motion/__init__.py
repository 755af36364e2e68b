"""What text2motion needs beside its task."""
