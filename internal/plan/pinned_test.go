package plan

// pinnedPlan is what mixed, seed 1, run 7 and worker 3 give where every entry
// is as varied says: kind and row of each operation, and after @ the version
// that it must find.
const pinnedPlan = `
7/3/1 insert 1
7/3/2 insert 2 update 1@1 insert 3
7/3/3 insert 4 insert 5 insert 6
7/3/4 insert 7 insert 8
7/3/5 delete 1@2 insert 9 update 3@2
7/3/6 insert 10 delete 8@4 delete 2@2
7/3/7 insert 11 delete 7@4
7/3/8 insert 12 insert 13 delete 10@6 insert 14
7/3/9 delete 14@8 update 12@8 insert 15
7/3/10 insert 16
7/3/11 delete 13@8 delete 16@10
7/3/12 insert 17 update 12@9 insert 18
7/3/13 delete 18@12
7/3/14 update 17@12 insert 19
7/3/15 insert 20 insert 21 update 15@9 delete 12@12
7/3/16 insert 22
7/3/17 delete 21@15 insert 23 insert 24
7/3/18 insert 25 insert 26
7/3/19 delete 23@17
7/3/20 insert 27
`
