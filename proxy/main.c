/*
 * main - sealpostd: options, then the master.
 */
int
main(void)
{
    return 0;
}
