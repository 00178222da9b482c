import Commands

NspawnRunner.main()
