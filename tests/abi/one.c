// SPDX-License-Identifier: MIT
/*
 * one.c - makes a program of one file of tests. Its main() was compiled under another name.
 */
int GROUP(void);

int main(void)
{
	return GROUP();
}
